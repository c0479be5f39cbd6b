"""Prints what a statement through SQLAlchemy over psycopg takes with ours, as a share of what it takes without.

Without ours is plain OpenTelemetry as the launcher sets it up: both instrumentations, a batch processor and a metric
reader, which discard. Each configuration runs in processes of its own, with one thread and with eight, in turns, so
that the machine's moods hit all of them alike. What counts is the median of the rounds' ratios, with their quartiles in
brackets: of the time that passed, which other work on the machine disturbs, and of the CPU time that the process took.
The server is a private PostgreSQL, or OTEL_DBMON_TEST_POSTGRES.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

ROUNDS = 11
STATEMENTS = 3000
THREADS = (1, 8)
CONFIGURATIONS = ("none", "plain", "ours")
HERE = Path(__file__).parent


def main() -> None:
    """Run all rounds and print the ratios."""
    sys.path[:0] = [str(HERE.parent / "postgres"), str(HERE.parent / "otel_dbmon"), str(HERE.parent)]
    from cluster import PostgreSQL

    named = os.environ.get("OTEL_DBMON_TEST_POSTGRES")
    with nullcontext() if named else PostgreSQL() as private:
        url = named or private.url
        cases = [(threads, configuration) for threads in THREADS for configuration in CONFIGURATIONS]
        rounds: list[dict[tuple[int, str], tuple[float, float]]] = []
        for number in range(ROUNDS):
            turn = number % len(cases)
            rounds.append({case: _measure(*case, url) for case in cases[turn:] + cases[:turn]})
    for threads in THREADS:
        for at, what in enumerate(("passed", "CPU")):
            none, plain, ours = (
                statistics.median(times[threads, configuration][at] for times in rounds)
                for configuration in CONFIGURATIONS
            )
            ratios = (times[threads, "ours"][at] / times[threads, "plain"][at] for times in rounds)
            low, ratio, high = statistics.quantiles(ratios, n=4)
            print(
                f"postgres, {threads} thread(s), time {what:6s}: SELECT {none:6.1f} us, plain OpenTelemetry "
                f"+{plain - none:6.1f} us, with ours +{ours - none:6.1f} us; ours / plain {ratio:5.3f} "
                f"({low:.3f}, {high:.3f}) (goal below 1)"
            )


def _measure(threads: int, configuration: str, url: str) -> tuple[float, float]:
    """Microseconds a statement: as they pass, and as the process's own."""
    command = [sys.executable, __file__, configuration, str(threads), url]
    passed, own = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(passed), float(own)


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
    start, own = time.perf_counter(), time.process_time()
    run_in_threads(STATEMENTS)
    print((time.perf_counter() - start) / STATEMENTS * 1e6, (time.process_time() - own) / STATEMENTS * 1e6)


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
