"""Prints what we add to a SQLite point SELECT, as a share of what plain OpenTelemetry instrumentation adds.

Engines in one process run blocks of statements in turns, so that the machine's moods hit all of them alike:

- bare: nothing is instrumented;
- plain: the SDK with a batch processor, and contrib's SQLAlchemy instrumentation;
- processor: the same, with our span processor before the batch processor and nothing else of ours;
- product: the same with all of ours attached, as the launcher does it. That starts the spans of statements in a shorter
  way than contrib, which may save more than all the rest of ours takes: then the ratio is below zero.

What counts is the calling thread's own time, block by block against that of plain: the median, and in brackets the
quartiles, of all blocks.
"""

from __future__ import annotations

import gc
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy
from opentelemetry import trace
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
from opentelemetry.metrics import NoOpMeter
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from sqlalchemy import Connection, Engine, text

from otel_dbmon import attach
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.pipeline import Pipeline
from otel_dbmon_processors.processor import DatabaseSpanProcessor

ROUNDS = 150
BLOCK = 100
SELECT = text("SELECT id, name FROM users WHERE id = :id")
CONTRIB = "opentelemetry.instrumentation.sqlalchemy"
Connections = dict[str, Connection]


class _Discard(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def main() -> None:
    """Run all rounds and print the ratios."""
    # At full speed the batch processors drop spans, and would say so.
    logging.disable()
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "database"
    os.environ["OTEL_DBMON_PROMETHEUS"] = "false"
    with tempfile.TemporaryDirectory() as folder:
        kinds = {
            kind: _traced_by_hand({name: f"sqlite:///{Path(folder, name)}.db" if kind == "file" else "sqlite://"
                                   for name in ("bare", "plain", "processor")})
            for kind in ("memory", "file")
        }  # fmt: skip
        _attach()
        for kind, connections in kinds.items():
            url = f"sqlite:///{Path(folder, 'product')}.db" if kind == "file" else "sqlite://"
            connections["product"] = _connected(sqlalchemy.create_engine(url))
        # A full collection walks all that is imported and hits whoever comes along: that would be noise, not a cost.
        gc.collect()
        gc.freeze()
        for workload, goal in ((_bound, 0.15), (_pasted, 0.20)):
            for kind, connections in kinds.items():
                _compare(f"SQLite in {'a file' if kind == 'file' else kind}", workload, connections, goal)


def _compare(kind: str, workload: Callable[[Connection, int], None], connections: Connections, goal: float) -> None:
    for connection in connections.values():
        for number in range(3):
            _block(workload, connection, number * BLOCK)
    names = list(connections)
    rounds = []
    for number in range(ROUNDS):
        # Each comes after each other one, in turns.
        order = names[number % len(names) :] + names[: number % len(names)]
        rounds.append({name: _block(workload, connections[name], (number + 3) * BLOCK) for name in order})
    theirs = statistics.median(times["plain"] - times["bare"] for times in rounds)
    bare = statistics.median(times["bare"] for times in rounds)
    print(f"{workload.__name__[1:]} literals, {kind}: SELECT {bare:.1f} us, plain OpenTelemetry +{theirs:.1f} us")
    for name in ("processor", "product"):
        low, added, high = statistics.quantiles((times[name] - times["plain"] for times in rounds), n=4)
        print(f"  {name:9s} {added:+5.1f} us ({low:+.1f}, {high:+.1f}): ratio {added / theirs:+.3f} (goal {goal:.2f})")


def _traced_by_hand(urls: dict[str, str]) -> Connections:
    """Connections that are made before we attach, which would trace them."""
    engines = {name: sqlalchemy.create_engine(url) for name, url in urls.items()}
    usage = NoOpMeter("bench").create_up_down_counter("unused")
    for name, processors in (("plain", []), ("processor", [DatabaseSpanProcessor(Pipeline(Config()))])):
        EngineTracer(_provider(*processors).get_tracer(CONTRIB), engines[name], usage)  # type: ignore[no-untyped-call]
    return {name: _connected(engine) for name, engine in engines.items()}


def _attach() -> None:
    trace.set_tracer_provider(_provider())
    SQLAlchemyInstrumentor().instrument()
    attach.pre_instrument()
    attach.post_instrument()


def _provider(*processors: SpanProcessor) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    for processor in (*processors, BatchSpanProcessor(_Discard())):
        provider.add_span_processor(processor)
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
