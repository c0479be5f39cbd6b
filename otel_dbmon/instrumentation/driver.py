"""Runs SQLAlchemy's statements on their way to the driver: once counted, ended whatever happens, with the right error.

The dialect's methods are wrapped and not its events listened to: a listener that runs the statement itself would keep
the application's own listeners from being asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from opentelemetry import trace
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.trace import Span
from sqlalchemy.engine import URL, Engine

from otel_dbmon.instrumentation.statement import COMMIT, CONNECT, Driver, Silence, batch_size, fail, server_attributes
from otel_dbmon_processors.pipeline import Pipeline
from otel_dbmon_semconv import attributes as names

#: Where a driver's cursors are traced, or may be: behind SQLAlchemy's adapters of async drivers we can't look.
_TRACED = ("opentelemetry.", "otel_dbmon.", "sqlalchemy.", "psycopg")

#: The scope of contrib's SQLAlchemy instrumentation.
CONTRIB = "opentelemetry.instrumentation.sqlalchemy"

Method = Callable[..., Any]


def complete(engine: Engine, pipeline: Pipeline) -> None:
    """Wrap everything by which this engine's dialect reaches the driver; each engine has a dialect of its own.

    Args:
        engine: An engine that contrib traces.
        pipeline: Counts connections and commits that failed.
    """
    dialect = engine.dialect
    for name in ("do_execute", "do_execute_no_params"):
        setattr(dialect, name, _executed(getattr(dialect, name), is_batch=False))
    setattr(dialect, "do_executemany", _executed(dialect.do_executemany, is_batch=True))  # noqa: B010
    driver = Driver("sqlalchemy", names.DB_SYSTEM_NAME_OF.get(dialect.name, dialect.name), pipeline)
    # The engine keeps its dialect alive, and not the other way round.
    url = engine.url
    setattr(dialect, "connect", _untraced(_watched(dialect.connect, CONNECT, driver, url)))  # noqa: B010
    setattr(dialect, "do_commit", _watched(dialect.do_commit, COMMIT, driver, url))  # noqa: B010


def _executed(run: Method, is_batch: bool) -> Method:
    def execute(cursor: Any, *args: Any) -> Any:
        # The execution context is the last argument in every case.
        execution = args[-1]
        span: Span | None = getattr(execution, "_otel_span", None)
        if span is None:
            # What SQLAlchemy runs without events (its first look at a server) has no span: the driver's counts.
            return run(cursor, *args)
        if is_batch and batch_size(args[1]) > 1:
            span.set_attribute(names.DB_OPERATION_BATCH_SIZE, batch_size(args[1]))
        try:
            if not _is_traced(type(cursor)):  # type: ignore[arg-type]
                return run(cursor, *args)
            with Silence():
                return run(cursor, *args)
        except BaseException as error:
            # contrib would end it in an event that some statements are run without.
            execution._otel_span = None
            # SQLAlchemy's adapter of asyncpg raises exceptions of its own from the driver's.
            fail(span, (error.__cause__ or error) if type(error).__module__.startswith("sqlalchemy.") else error)
            span.end()
            raise

    return execute


@lru_cache
def _is_traced(cursor: type) -> bool:
    """Whether a driver's cursors of this class make spans, or may do so."""
    return cursor.__module__.startswith(_TRACED)


def _watched(run: Method, step: str, driver: Driver, url: URL) -> Method:
    def watch(*args: Any, **kwargs: Any) -> Any:
        start_ns = time.time_ns()
        try:
            with Silence():
                return run(*args, **kwargs)
        except BaseException as error:
            if is_instrumentation_enabled():
                _step_failed(driver, step, error, start_ns, url)
            raise

    return watch


def _untraced(connect: Method) -> Method:
    """Give SQLAlchemy connections of aiosqlite that contrib does not trace.

    They send their statements in a thread of their own, where no context says that these are counted already.
    """

    def connect_untraced(*args: Any, **kwargs: Any) -> Any:
        connection = connect(*args, **kwargs)
        driver_connection: Any = getattr(connection, "_connection", None)
        if type(driver_connection).__module__.startswith("aiosqlite"):
            plain = getattr(getattr(driver_connection, "_connection", None), "__wrapped__", None)
            if plain is not None:
                driver_connection._connection = plain
        return connection

    return connect_untraced


def _step_failed(driver: Driver, step: str, error: BaseException, start_ns: int, url: URL) -> None:
    """Say it on contrib's span of this connection where there is one, else on one of ours."""
    span = trace.get_current_span()
    scope = getattr(span, "instrumentation_scope", None)
    if step == CONNECT and getattr(scope, "name", "") == CONTRIB and getattr(span, "name", "") == "connect":
        driver.say_step_failed(step, span, error, url.database or "")
    else:
        driver.step_failed(step, error, start_ns, lambda: server_attributes(url.database, url.host, url.port))
