"""Prints what the detectors add to a SQLite point SELECT: the same statements, with and without them, in one run.

One engine is instrumented as under the launcher. Requests of ten statements run in turns with the detectors at work and
with stand-ins that find nothing, so that the machine's moods hit both alike. What counts is the calling thread's own
time: the median of the differences between each request and the next, with its standard error.
"""

from __future__ import annotations

import gc
import logging
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import sqlalchemy
from opentelemetry import trace
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from sqlalchemy import Connection, text

from otel_dbmon import attach
from otel_dbmon.runtime import current
from otel_dbmon_processors import span as spans

ROUNDS = 10_000
STATEMENTS = 10
GOAL_US = 2.0
PAGE = [
    text(f"SELECT id, name FROM users WHERE id = :id AND {number} = {number} OR name IS NULL") for number in range(1)
]
PAGE += [text(f"SELECT id AS id_{number}, name FROM users WHERE id = :id") for number in range(9)]
SELECT = text("SELECT id, name FROM users WHERE id = :id")
SOURCE = text("SELECT id FROM users")
_TRACER = trace.get_tracer("bench")


class _Discard(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


class _Off:
    """Stands where the detector of loops does, and finds nothing."""

    def see(self, *_: object) -> None:
        return None

    def end(self, _: int) -> None:
        return None

    interrupt = end


def main() -> None:
    """Run all rounds and print the figures."""
    # At full speed the batch processor drops spans, and would say so.
    logging.disable()
    connection = _connection()
    runtime = current()
    assert runtime is not None
    pipeline: Any = runtime.pipeline
    on, off, remember = pipeline.loops, _Off(), spans.remember_parameters
    gc.collect()
    gc.freeze()
    for workload, goal in ((_page, GOAL_US), (_script, GOAL_US), (_n_plus_one, None)):
        taken: dict[bool, list[float]] = {True: [], False: []}
        for number in range(2 * ROUNDS):
            # Both come after the other equally often.
            is_on = (number % 4) in (0, 3)
            pipeline.loops = on if is_on else off
            spans.remember_parameters = remember if is_on else _forget
            taken[is_on].append(workload(connection))
        differences = [mine - other for mine, other in zip(taken[True], taken[False], strict=True)]
        added, without = statistics.median(differences), statistics.median(taken[False])
        print(
            f"detectors, {workload.__doc__}: without {without:5.1f} us a statement, "
            f"with them +{added:4.2f} us (standard error {_error(differences):.2f}), ratio {1 + added / without:5.3f} "
            + (f"(goal: at most {goal} us)" if goal else "(something is found in each: no goal)")
        )


def _error(values: Sequence[float]) -> float:
    """The standard error of the median, as that of a normal distribution with the same quartiles."""
    low, _, high = statistics.quantiles(values, n=4)
    return 1.2533 * (high - low) / 1.349 / math.sqrt(len(values))


def _forget(_span: Any, _parameters: object) -> None:
    """Keep nothing."""


def _connection() -> Connection:
    os.environ["OTEL_DBMON_PROMETHEUS"] = "false"
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_Discard()))
    trace.set_tracer_provider(provider)
    SQLAlchemyInstrumentor().instrument()
    attach.pre_instrument()
    attach.post_instrument()
    connection = sqlalchemy.create_engine("sqlite://").connect()
    connection.execute(text("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)"))
    connection.execute(text("INSERT INTO users VALUES (1, 'one')"))
    return connection


def _page(connection: Connection) -> float:
    """requests of ten different queries"""
    return _timed(connection, lambda number: PAGE[number], in_requests=True)


def _script(connection: Connection) -> float:
    """a script that runs one query"""
    return _timed(connection, lambda _: SELECT, in_requests=False)


def _n_plus_one(connection: Connection) -> float:
    """requests with an N+1 of nine"""
    return _timed(connection, lambda number: SELECT if number else SOURCE, in_requests=True)


def _timed(connection: Connection, statement: Callable[[int], Any], in_requests: bool) -> float:
    """Microseconds a statement, of this thread's time; the spans of requests take the same in both cases."""
    start = time.thread_time()
    with _TRACER.start_as_current_span("GET /") if in_requests else nullcontext():
        for number in range(STATEMENTS):
            chosen = statement(number)
            connection.execute(chosen, {} if chosen is SOURCE else {"id": number}).fetchall()
    return (time.thread_time() - start) / STATEMENTS * 1e6


if __name__ == "__main__":
    main()
