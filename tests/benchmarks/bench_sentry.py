"""Prints what the Sentry bridge adds to a SQLite point SELECT of which nothing is found, in a traced request.

One process, one engine, everything of ours attached; blocks of statements run in turns with and without the bridge's
only part that such a statement meets: its request's story. What counts is the calling thread's own time; the median of
all blocks' differences, and in brackets the quartiles. A finding's cost in the thread that ran the statement, which is
to leave it in the queue, is printed beside it.
"""

from __future__ import annotations

import gc
import logging
import os
import statistics
import time
from typing import Any

import sqlalchemy
from opentelemetry import trace
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from sqlalchemy import Connection, text

from otel_dbmon import attach
from otel_dbmon.runtime import current
from otel_dbmon_processors.analysis import analyze
from otel_dbmon_processors.finding import SLOW_QUERY, Finding
from otel_dbmon_processors.observation import Origin

ROUNDS = 400
BLOCK = 100
FINDINGS = 1000
SELECT = text("SELECT id, name FROM users WHERE id = :id")


def main() -> None:
    """Run all rounds and print the difference."""
    logging.disable()
    os.environ.update(OTEL_SEMCONV_STABILITY_OPT_IN="database", OTEL_DBMON_PROMETHEUS="false")
    # Nobody listens there: an event that is sent fails, elsewhere.
    os.environ["SENTRY_DSN"] = "http://key@127.0.0.1:1/1"
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    SQLAlchemyInstrumentor().instrument()
    attach.pre_instrument()
    attach.post_instrument()
    connection = sqlalchemy.create_engine("sqlite://").connect()
    connection.execute(text("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)"))
    # Sentry's own integration would add a breadcrumb to each statement, with us and without us.
    _leave_out_breadcrumbs()
    runtime = current()
    assert runtime is not None
    assert runtime.pipeline.requests.tells_stories, "the bridge has met Sentry's client"
    gc.collect()
    gc.freeze()
    differences, without = _compare(connection, runtime.pipeline.requests)
    low, added, high = statistics.quantiles(differences, n=4)
    print(f"a SELECT of which nothing is found: {without:.1f} us, the bridge {added:+.2f} us ({low:+.2f}, {high:+.2f})")
    print(f"a finding, in the thread that ran the statement: {_finding(runtime.pipeline):.1f} us")


def _compare(connection: Connection, requests: Any) -> tuple[list[float], float]:
    differences, plain = [], []
    for number in range(ROUNDS):
        times = {}
        for tells in (number % 2 == 0, number % 2 == 1):
            requests.tells_stories = tells
            times[tells] = _block(connection)
        differences.append(times[True] - times[False])
        plain.append(times[False])
    requests.tells_stories = True
    return differences, statistics.median(plain)


def _block(connection: Connection) -> float:
    """Microseconds a statement, of this thread's time."""
    with trace.get_tracer("bench").start_as_current_span("request"):
        start = time.thread_time()
        for number in range(BLOCK):
            connection.execute(SELECT, {"id": number}).fetchall()
        return (time.thread_time() - start) / BLOCK * 1e6


def _finding(pipeline: Any) -> float:
    finding = Finding(SLOW_QUERY, analyze("SELECT 1", "sqlite"), Origin("sqlite", "shop.db"), 1, 10**9, time.time_ns())
    pipeline.tell(finding)
    time.sleep(0.1)
    start = time.thread_time()
    for _ in range(FINDINGS):
        pipeline.tell(finding)
    return (time.thread_time() - start) / FINDINGS * 1e6


def _leave_out_breadcrumbs() -> None:
    import sentry_sdk

    sentry_sdk.get_client().integrations.pop("sqlalchemy", None)


if __name__ == "__main__":
    main()
