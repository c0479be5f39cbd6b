"""Completes contrib's cursor tracing for all DB-API drivers: whatever it does, the statement runs and is told of right.

contrib's tracer splits the statement before it sends it, and raises IndexError into the application where there is
nothing to split; it leaves the span of a cancelled statement without a status; and it records metrics that count what
ours count.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from opentelemetry import trace
from opentelemetry.instrumentation.dbapi import CursorTracer
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from otel_dbmon.instrumentation.statement import Driver, Statement, batch_size, fail
from otel_dbmon_processors.pipeline import Pipeline
from otel_dbmon_processors.span import STREAMED, remember_parameters
from otel_dbmon_semconv import attributes as names

Run = Callable[..., Any]
_completed = False


def complete(pipeline: Pipeline) -> None:
    """Wrap the methods of contrib's tracer that all its DB-API instrumentations share.

    Args:
        pipeline: Counts our failures.
    """
    global _completed
    if _completed:
        return
    _completed = True
    for name, wrap in (("traced_execution", _execution), ("traced_execution_async", _async_execution)):
        setattr(CursorTracer, name, wrap(getattr(CursorTracer, name), pipeline))
    if hasattr(CursorTracer, "_record_metrics"):
        setattr(CursorTracer, "_record_metrics", lambda *_: None)  # noqa: B010 - mypy takes it for a mistake otherwise


class _Sending:
    """A context manager around the driver's call, within contrib's span.

    Attributes:
        begun: Whether the driver was called: what contrib raises before is no concern of the application.
        size: How many operations it is, 0 for a batch of nothing: then nothing is sent.
    """

    __slots__ = ("_sent", "begun", "size")

    def __init__(self, cursor: Any, run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.begun = False
        is_batch = getattr(run, "__name__", "") == "executemany" and len(args) > 1
        self.size = batch_size(args[1]) if is_batch else 1
        # A cursor with a name is one of the server's, by psycopg2 and psycopg.
        self._sent = STREAMED if getattr(cursor, "name", None) else args[1] if len(args) > 1 else _bound(kwargs)

    def __enter__(self) -> None:
        self.begun = True
        span = trace.get_current_span()
        remember_parameters(span, self._sent)
        if self.size > 1:
            span.set_attribute(names.DB_OPERATION_BATCH_SIZE, self.size)

    def __exit__(self, kind: object, error: BaseException | None, traceback: TracebackType | None) -> None:
        if error is not None:
            fail(trace.get_current_span(), error)


def _bound(kwargs: dict[str, Any]) -> object:
    return next((kwargs[name] for name in ("params", "vars", "args", "parameters") if name in kwargs), ())


def _execution(execution: Run, pipeline: Pipeline) -> Run:
    def traced_execution(self: CursorTracer[Any], cursor: Any, run: Run, *args: Any, **kwargs: Any) -> Any:
        sending = _Sending(cursor, run, args, kwargs)
        if not sending.size or not is_instrumentation_enabled():
            return run(*args, **kwargs)

        def send(*args: Any, **kwargs: Any) -> Any:
            with sending:
                return run(*args, **kwargs)

        try:
            return execution(self, cursor, send, *args, **kwargs)
        except Exception:
            if sending.begun:
                raise
        with _statement(self, cursor, args, pipeline):
            return run(*args, **kwargs)

    return traced_execution


def _async_execution(execution: Run, pipeline: Pipeline) -> Run:
    async def traced_execution(self: CursorTracer[Any], cursor: Any, run: Run, *args: Any, **kwargs: Any) -> Any:
        sending = _Sending(cursor, run, args, kwargs)
        if not sending.size or not is_instrumentation_enabled():
            return await run(*args, **kwargs)

        async def send(*args: Any, **kwargs: Any) -> Any:
            with sending:
                return await run(*args, **kwargs)

        try:
            return await execution(self, cursor, send, *args, **kwargs)
        except Exception:
            if sending.begun:
                raise
        with _statement(self, cursor, args, pipeline):
            return await run(*args, **kwargs)

    return traced_execution


def _statement(tracer: CursorTracer[Any], cursor: Any, args: tuple[Any, ...], pipeline: Pipeline) -> Statement:
    """The statement that contrib could not trace, on a span of ours."""
    integration = tracer._db_api_integration
    driver = Driver(integration._name.rpartition(".")[2], integration.database_system, pipeline)

    def server() -> dict[str, Any]:
        return {names.DB_NAMESPACE: integration.database, **integration.span_attributes}

    return driver.statement(lambda: tracer.get_statement(cursor, args), server)
