"""Prints what importing our runtime adds to importing the SDK and contrib, in processes of their own, in turns."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

ROUNDS = 9
#: What a service process has loaded anyway under plain OpenTelemetry with OTLP.
BASE = (
    "import opentelemetry.sdk.trace.export, opentelemetry.sdk.metrics.export, opentelemetry.sdk._configuration, "
    "opentelemetry.instrumentation.sqlalchemy, opentelemetry.instrumentation.auto_instrumentation, "
    "opentelemetry.exporter.otlp.proto.http.trace_exporter, opentelemetry.exporter.otlp.proto.http.metric_exporter, "
    "opentelemetry.exporter.prometheus"
)
OURS = "import otel_dbmon.distro, otel_dbmon.attach, otel_dbmon.runtime, otel_dbmon.instrumentation.sqlalchemy"


def main() -> None:
    """Run all rounds and print the difference."""
    # As in an installed service: with bytecode, whatever this process was told about writing it.
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        added = min(_measure(environment) for _ in range(ROUNDS))
    print(f"import: our runtime after the SDK and contrib: +{added:.1f} ms (goal 30 ms)")


def _measure(environment: dict[str, str]) -> float:
    code = f"{BASE}\nimport time\nstart = time.perf_counter()\n{OURS}\nprint(1000 * (time.perf_counter() - start))"
    command = [sys.executable, "-c", code]
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
