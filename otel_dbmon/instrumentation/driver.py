"""Runs SQLAlchemy's statements on their way to the driver: once counted, ended whatever happens, with the right error.

The dialect's methods are wrapped and not its events listened to: a listener that runs the statement itself would keep
the application's own listeners from being asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from opentelemetry import context, trace
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.trace import Span
from sqlalchemy.engine import URL, Dialect, Engine

from otel_dbmon.instrumentation.statement import Attributes, Driver, batch_size, fail
from otel_dbmon_processors.pipeline import Pipeline
from otel_dbmon_semconv import attributes as names

#: Where a driver's cursors are traced, or may be: behind SQLAlchemy's adapters of async drivers we can't look.
_TRACED = ("opentelemetry.", "sqlalchemy.", "psycopg")
#: The context key that instrumentations look at; ``suppress_instrumentation()`` takes five times as long to set it.
_SUPPRESSED = "suppress_instrumentation"

#: The scope of contrib's SQLAlchemy instrumentation.
CONTRIB = "opentelemetry.instrumentation.sqlalchemy"

Method = Callable[..., Any]


def complete(engine: Engine, pipeline: Pipeline) -> None:
    """Wrap everything by which this engine's dialect reaches the driver; each engine has a dialect of its own.

    Args:
        engine: An engine that contrib traces.
        pipeline: Counts connections that could not be made.
    """
    dialect = engine.dialect
    for name in ("do_execute", "do_execute_no_params"):
        setattr(dialect, name, _executed(getattr(dialect, name), is_batch=False))
    setattr(dialect, "do_executemany", _executed(dialect.do_executemany, is_batch=True))  # noqa: B010
    setattr(dialect, "connect", _connected(dialect.connect, engine, pipeline))  # noqa: B010


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
            if not type(cursor).__module__.startswith(_TRACED):
                return run(cursor, *args)
            token = context.attach(context.set_value(_SUPPRESSED, True))
            try:
                return run(cursor, *args)
            finally:
                context.detach(token)
        except BaseException as error:
            # contrib would end it in an event that some statements are run without.
            execution._otel_span = None
            fail(span, error)
            span.end()
            raise

    return execute


def _connected(connect: Method, engine: Engine, pipeline: Pipeline) -> Method:
    driver = Driver("sqlalchemy", _system(engine.dialect), pipeline)
    # The engine keeps its dialect alive, not the other way round.
    url = engine.url

    def connect_once(*args: Any, **kwargs: Any) -> Any:
        start_ns = time.time_ns()
        try:
            token = context.attach(context.set_value(_SUPPRESSED, True))
            try:
                return connect(*args, **kwargs)
            finally:
                context.detach(token)
        except BaseException as error:
            if is_instrumentation_enabled():
                _connection_failed(driver, error, start_ns, url)
            raise

    return connect_once


def _connection_failed(driver: Driver, error: BaseException, start_ns: int, url: URL) -> None:
    """Say it on contrib's span of this connection where there is one, else on one of ours."""
    span = trace.get_current_span()
    scope = getattr(span, "instrumentation_scope", None)
    if getattr(scope, "name", "") == CONTRIB and getattr(span, "name", "") == "connect":
        driver.say_connection_failed(span, error, url.database or "")
    else:
        driver.connection_failed(error, start_ns, lambda: _attributes(url))


def _attributes(url: URL) -> Attributes:
    known = {names.DB_NAMESPACE: url.database, names.SERVER_ADDRESS: url.host, names.SERVER_PORT: url.port}
    return {key: value for key, value in known.items() if value}


def _system(dialect: Dialect) -> str:
    return names.DB_SYSTEM_NAME_OF.get(dialect.name, dialect.name)
