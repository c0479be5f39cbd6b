"""Prints what a statement through SQLAlchemy over psycopg takes with ours, as a share of what it takes without.

Without ours is plain OpenTelemetry as the launcher sets it up: both instrumentations, a batch processor and a periodic
metric reader, which discard. Each configuration runs in processes of its own, in turns, so that the machine's moods hit
all of them alike; the best round of each counts. The server is a private PostgreSQL, or OTEL_DBMON_TEST_POSTGRES.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

ROUNDS = 5
STATEMENTS = 3000
CONFIGURATIONS = ("none", "plain", "ours")
HERE = Path(__file__).parent


def main() -> None:
    """Run all rounds and print the ratios."""
    sys.path[:0] = [str(HERE.parent / "postgres"), str(HERE.parent / "otel_dbmon"), str(HERE.parent)]
    from cluster import PostgreSQL

    named = os.environ.get("OTEL_DBMON_TEST_POSTGRES")
    with nullcontext() if named else PostgreSQL() as private:
        url = named or private.url
        for threads in (1, 8):
            best = dict.fromkeys(CONFIGURATIONS, float("inf"))
            for _ in range(ROUNDS):
                for configuration in CONFIGURATIONS:
                    best[configuration] = min(best[configuration], _measure(configuration, threads, url))
            plain, ours = best["plain"] - best["none"], best["ours"] - best["none"]
            print(
                f"postgres, {threads} thread(s): SELECT {best['none']:6.1f} us, plain OpenTelemetry +{plain:6.1f} us, "
                f"with ours +{ours:6.1f} us; ours / plain {best['ours'] / best['plain']:5.3f} (goal below 1), "
                f"of what is added {ours / plain:5.3f}"
            )


def _measure(configuration: str, threads: int, url: str) -> float:
    command = [sys.executable, __file__, configuration, str(threads), url]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _child(configuration: str, threads: int, url: str) -> None:
    if configuration != "none":
        _set_up_plain()
    if configuration == "ours":
        _set_up_ours()
    from sqlalchemy import create_engine, text

    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), pool_size=threads)
    select = text("SELECT oid, datname FROM pg_database WHERE oid = :oid")

    def run(count: int) -> None:
        with engine.connect() as connection:
            for number in range(count):
                connection.execute(select, {"oid": number}).fetchall()

    def run_in_threads(count: int) -> None:
        workers = [threading.Thread(target=run, args=(count // threads,)) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    run_in_threads(500)
    start = time.perf_counter()
    run_in_threads(STATEMENTS)
    print((time.perf_counter() - start) / STATEMENTS * 1e6)


def _set_up_plain() -> None:
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "database"
    from opentelemetry import metrics, trace
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Discard(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Discard(), schedule_delay_millis=3_600_000))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False))
    SQLAlchemyInstrumentor().instrument()
    PsycopgInstrumentor().instrument()


def _set_up_ours() -> None:
    os.environ["OTEL_DBMON_PROMETHEUS"] = "false"
    from otel_dbmon import attach

    attach.pre_instrument()
    attach.post_instrument()


if __name__ == "__main__":
    if len(sys.argv) == 4:
        _child(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    else:
        main()
