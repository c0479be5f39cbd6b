"""Prints what we add to a SQLite point SELECT, as a share of what plain OpenTelemetry instrumentation adds.

Each configuration runs in processes of its own, in turns, so that the machine's moods hit all of them alike; the best
round of each counts. Plain OpenTelemetry is the SDK with a batch processor and contrib's SQLAlchemy instrumentation.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence

ROUNDS = 7
STATEMENTS = 4000
CONFIGURATIONS = ("none", "plain", "ours")


def main() -> None:
    """Run all rounds and print the ratios."""
    for workload, limit in (("bound", 0.15), ("pasted", 0.20)):
        best = dict.fromkeys(CONFIGURATIONS, float("inf"))
        for _ in range(ROUNDS):
            for configuration in CONFIGURATIONS:
                best[configuration] = min(best[configuration], _measure(configuration, workload))
        plain = best["plain"] - best["none"]
        ours = best["ours"] - best["plain"]
        print(
            f"processor, {workload:6s} literals: SELECT {best['none']:6.1f} us, plain OpenTelemetry +{plain:5.1f} us, "
            f"ours +{ours:5.1f} us: ratio {ours / plain:5.3f} (goal {limit})"
        )


def _measure(configuration: str, workload: str) -> float:
    command = [sys.executable, __file__, configuration, workload]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _child(configuration: str, workload: str) -> None:
    if configuration != "none":
        _set_up_plain()
    if configuration == "ours":
        _set_up_ours()
    run = _workload(workload)
    run(500)
    start = time.perf_counter()
    run(STATEMENTS)
    print((time.perf_counter() - start) / STATEMENTS * 1e6)


def _set_up_plain() -> None:
    from opentelemetry import trace
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Discard(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Discard(), schedule_delay_millis=3_600_000))
    trace.set_tracer_provider(provider)
    SQLAlchemyInstrumentor().instrument()


def _set_up_ours() -> None:
    import os

    os.environ["OTEL_DBMON_PROMETHEUS"] = "false"
    from otel_dbmon import attach

    attach.pre_instrument()
    attach.post_instrument()


def _workload(workload: str) -> Callable[[int], None]:
    import sqlalchemy
    from sqlalchemy import text

    engine = sqlalchemy.create_engine("sqlite://")
    connection = engine.connect()
    connection.execute(text("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)"))
    connection.execute(text("INSERT INTO users VALUES (1, 'one')"))
    select = text("SELECT id, name FROM users WHERE id = :id")

    def bound(count: int) -> None:
        for number in range(count):
            connection.execute(select, {"id": number}).fetchall()

    def pasted(count: int) -> None:
        for number in range(count):
            connection.exec_driver_sql(f"SELECT id, name FROM users WHERE id = {number}").fetchall()

    return bound if workload == "bound" else pasted


if __name__ == "__main__":
    if len(sys.argv) == 3:
        _child(sys.argv[1], sys.argv[2])
    else:
        main()
