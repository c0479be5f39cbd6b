"""Prints what we add to a SQLite point SELECT, as a share of what plain OpenTelemetry instrumentation adds.

Three engines in one process (bare; plain: the SDK with a batch processor and contrib's SQLAlchemy instrumentation;
ours: the same with us attached) run blocks of statements in turns, so that the machine's moods hit all of them alike.
What counts is the calling thread's own time, the median over all blocks.
"""

from __future__ import annotations

import gc
import logging
import os
import statistics
import time
from collections.abc import Callable, Sequence

import sqlalchemy
from opentelemetry import trace
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
from opentelemetry.metrics import NoOpMeter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from sqlalchemy import Connection, Engine, text

from otel_dbmon import attach

ROUNDS = 150
BLOCK = 200
SELECT = text("SELECT id, name FROM users WHERE id = :id")


class _Discard(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def main() -> None:
    """Run all rounds and print the ratios."""
    # At full speed the batch processors drop spans, and would say so.
    logging.disable()
    bare, plain, ours = _connections()
    # A full collection walks all that is imported and hits whoever comes along: that would be noise, not a cost.
    gc.collect()
    gc.freeze()
    for workload, goal in ((_bound, 0.15), (_pasted, 0.20)):
        for connection in (bare, plain, ours):
            _block(workload, connection, 0)
        rounds = [
            [_block(workload, connection, number * BLOCK) for connection in (bare, plain, ours)]
            for number in range(1, ROUNDS + 1)
        ]
        base = statistics.median(times[0] for times in rounds)
        theirs = statistics.median(times[1] - times[0] for times in rounds)
        added = statistics.median(times[2] - times[1] for times in rounds)
        print(
            f"processor, {workload.__name__[1:]:6s} literals: SELECT {base:5.1f} us, "
            f"plain OpenTelemetry +{theirs:5.1f} us, ours +{added:5.1f} us: ratio {added / theirs:5.3f} (goal {goal})"
        )


def _connections() -> tuple[Connection, Connection, Connection]:
    os.environ["OTEL_DBMON_PROMETHEUS"] = "false"
    bare, plain = sqlalchemy.create_engine("sqlite://"), sqlalchemy.create_engine("sqlite://")
    usage = NoOpMeter("bench").create_up_down_counter("unused")
    EngineTracer(_provider().get_tracer("opentelemetry.instrumentation.sqlalchemy"), plain, usage)
    # Connected before we come: we would trace the bare one too.
    connections = _connected(bare), _connected(plain)
    trace.set_tracer_provider(_provider())
    SQLAlchemyInstrumentor().instrument()
    attach.pre_instrument()
    attach.post_instrument()
    return (*connections, _connected(sqlalchemy.create_engine("sqlite://")))


def _provider() -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_Discard()))
    return provider


def _connected(engine: Engine) -> Connection:
    connection = engine.connect()
    connection.execute(text("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)"))
    connection.execute(text("INSERT INTO users VALUES (1, 'one')"))
    return connection


def _bound(connection: Connection, number: int) -> None:
    connection.execute(SELECT, {"id": number}).fetchall()


def _pasted(connection: Connection, number: int) -> None:
    connection.exec_driver_sql(f"SELECT id, name FROM users WHERE id = {number}").fetchall()


def _block(run: Callable[[Connection, int], None], connection: Connection, first: int) -> float:
    """Microseconds a statement, of this thread's time."""
    start = time.thread_time()
    for number in range(first, first + BLOCK):
        run(connection, number)
    return (time.thread_time() - start) / BLOCK * 1e6


if __name__ == "__main__":
    main()
