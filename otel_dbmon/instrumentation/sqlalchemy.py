"""Completes contrib's SQLAlchemy instrumentation: every engine traced exactly once, every error with its facts."""

from __future__ import annotations

import weakref
from typing import Any

import opentelemetry.instrumentation.sqlalchemy as contrib
import sqlalchemy
from opentelemetry import trace
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
from opentelemetry.metrics import NoOpMeter, NoOpMeterProvider
from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, Engine, ExceptionContext

from otel_dbmon.instrumentation import driver, sqlalchemy_span
from otel_dbmon.instrumentation.statement import fail
from otel_dbmon.pools import Pools
from otel_dbmon.runtime import logger
from otel_dbmon.scopes import is_disabled_by_user
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.pipeline import Pipeline

# Not by engine: `engine.execution_options()` makes another one of the same dialect, which shares the listeners.
_traced: weakref.WeakSet[Dialect] = weakref.WeakSet()
_completed = False
#: What contrib listens to for its own metric of pools.
_POOL_EVENTS = frozenset({"connect", "close", "checkin", "checkout"})


def complete(pipeline: Pipeline, pools: Pools) -> None:
    """Instrument SQLAlchemy where contrib refuses to, and listen to all engines, those that exist included.

    Args:
        pipeline: Counts our failures, and connections that could not be made.
        pools: Learns of each engine.
    """
    global _completed
    if _completed:
        return
    _completed = True
    _trace_each_engine_once(pipeline, pools)
    _leave_pools_alone()
    _name_every_statement()
    _need_no_greenlet()
    sqlalchemy_span.complete(pipeline.guard)
    instrumentor = SQLAlchemyInstrumentor()
    if not instrumentor.is_instrumented_by_opentelemetry and _is_newer_than_upstream_allows():
        instrumentor.instrument(skip_dep_check=True, meter_provider=NoOpMeterProvider())
        # contrib has just told everybody that nothing can be instrumented.
        logger.warning("otel-dbmon: SQLAlchemy %s is newer than contrib allows; instrumented", sqlalchemy.__version__)
    event.listen(Engine, "engine_connect", _Connected(pipeline.guard, pools))
    event.listen(Engine, "handle_error", _failed)


def _is_newer_than_upstream_allows() -> bool:
    # Upstream's own test-suite passes on 2.1; only its version range refuses it.
    newer = tuple(int(part) for part in sqlalchemy.__version__.split(".")[:2]) >= (2, 1)
    return newer and not is_disabled_by_user("sqlalchemy")


def _trace_each_engine_once(pipeline: Pipeline, pools: Pools) -> None:
    """Keep contrib from tracing an engine twice, as it does with async engines: the first span would never end."""
    tracer_class: Any = EngineTracer
    trace_engine = tracer_class.__init__

    def trace_engine_once(self: Any, tracer: Any, engine: Engine, *args: Any, **kwargs: Any) -> None:
        pools.add(engine)
        if engine.dialect not in _traced:
            _traced.add(engine.dialect)
            trace_engine(self, tracer, engine, *args, **kwargs)
            driver.complete(engine, pipeline)

    tracer_class.__init__ = trace_engine_once


def _leave_pools_alone() -> None:
    """Keep contrib from listening to pools: what it counts is wrong, never exported, and 4 us of each checkout."""
    tracer_class: Any = EngineTracer
    listen = getattr(tracer_class, "_register_event_listener", None)
    if listen is None:
        return

    def listen_elsewhere(_: object, target: Engine, identifier: str, *args: Any, **kwargs: Any) -> None:
        if identifier not in _POOL_EVENTS:
            listen(target, identifier, *args, **kwargs)

    tracer_class._register_event_listener = classmethod(listen_elsewhere)


def _name_every_statement() -> None:
    """Keep contrib from splitting a text in which there is nothing: before 0.66b0 the application got IndexError."""
    tracer_class: Any = EngineTracer
    operation_name = tracer_class._operation_name

    def name_any(self: Any, *args: Any) -> str:
        try:
            return str(operation_name(self, *args))
        except IndexError:
            return str(self.vendor)

    tracer_class._operation_name = name_any


def _need_no_greenlet() -> None:
    """Keep contrib from giving up where async engines can't be: SQLAlchemy 2.1 does not bring greenlet along."""
    module: Any = contrib
    wrap = module._w

    def wrap_what_is_there(target: str, *args: Any) -> None:
        try:
            wrap(target, *args)
        except ImportError:
            if target != "sqlalchemy.ext.asyncio":
                raise

    module._w = wrap_what_is_there


class _Connected:
    """Traces engines made by a ``create_engine`` that the application had imported before contrib wrapped it."""

    def __init__(self, guard: Guard, pools: Pools) -> None:
        self._guard = guard
        self._pools = pools

    def __call__(self, connection: Connection) -> None:
        try:
            engine = connection.engine
            if engine.dialect not in _traced and SQLAlchemyInstrumentor().is_instrumented_by_opentelemetry:
                usage = NoOpMeter("otel_dbmon").create_up_down_counter("unused")
                EngineTracer(trace.get_tracer(driver.CONTRIB), engine, usage)  # type: ignore[no-untyped-call]
            self._pools.add(engine)
        except Exception as error:  # noqa: BLE001 - the application is connecting
            self._guard.failed("sqlalchemy connect", error)


def _failed(context: ExceptionContext) -> None:
    """Leave the facts on a span that is still open, where a listener of the application ran the statement.

    Listeners of the class run before contrib's, which ends the span.
    """
    span = getattr(context.execution_context, "_otel_span", None)
    if span is not None:
        fail(span, context.original_exception)
