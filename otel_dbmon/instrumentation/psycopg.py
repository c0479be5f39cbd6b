"""Completes contrib's psycopg instrumentation: every way psycopg has to send a statement makes one span, and one only.

contrib traces ``execute`` and ``executemany`` of the cursors that its connections make by default. What is left is
wrapped in psycopg's own classes: server-side cursors, ``stream()``, ``copy()``, cursors of connections that are older
than the instrumentation or got another factory since, pipelines, and connections that can't be made.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from functools import wraps
from typing import Any

import psycopg
from opentelemetry.instrumentation import psycopg as contrib
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from psycopg._connection_base import BaseConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.transaction import BaseTransaction
from wrapt import wrap_function_wrapper

from otel_dbmon.instrumentation.psycopg_pipeline import Pipelines
from otel_dbmon.instrumentation.statement import (
    COMMIT,
    CONNECT,
    Attributes,
    Driver,
    Statement,
    batch_size,
    server_attributes,
)
from otel_dbmon_processors.errors import class_name
from otel_dbmon_processors.observation import ErrorFacts
from otel_dbmon_processors.pipeline import Pipeline
from otel_dbmon_processors.span import STREAMED, remember_parameters

Method = Callable[..., Any]
_untraced = nullcontext()
_completed = False


def complete(pipeline: Pipeline) -> None:
    """Wrap what contrib leaves untraced.

    Args:
        pipeline: Counts our failures, and connections that could not be made.
    """
    global _completed
    if _completed:
        return
    _completed = True
    driver = Driver("psycopg", "postgresql", pipeline)
    cursors = _Cursors(driver, Pipelines(pipeline.guard))
    for kind, name, wrap in (
        (psycopg.Cursor, "execute", cursors.execute),
        (psycopg.Cursor, "executemany", cursors.execute),
        (psycopg.Cursor, "stream", cursors.stream),
        (psycopg.Cursor, "copy", cursors.copy),
        (psycopg.ServerCursor, "execute", cursors.execute),
        (psycopg.AsyncCursor, "execute", cursors.execute_async),
        (psycopg.AsyncCursor, "executemany", cursors.execute_async),
        (psycopg.AsyncCursor, "stream", cursors.stream_async),
        (psycopg.AsyncCursor, "copy", cursors.copy_async),
        (psycopg.AsyncServerCursor, "execute", cursors.execute_async),
    ):
        setattr(kind, name, wrap(getattr(kind, name)))
    _leave_pipelines_to_us()
    steps = _Steps(driver)
    wrap_function_wrapper(psycopg, "connect", steps.connect)
    wrap_function_wrapper(psycopg, "Connection.connect", steps.connect)
    wrap_function_wrapper(psycopg, "AsyncConnection.connect", steps.connect_async)
    for owner in (BaseConnection, BaseTransaction):
        setattr(owner, "_commit_gen", steps.commit(owner._commit_gen))  # noqa: B010


def _leave_pipelines_to_us() -> None:
    """Keep contrib from ending the span of a statement that has only been queued."""
    tracer = contrib.CursorTracer
    traced, traced_async = tracer.traced_execution, tracer.traced_execution_async

    def traced_execution(self: Any, cursor: Any, run: Method, *args: Any, **kwargs: Any) -> Any:
        if _in_pipeline(cursor):
            return run(*args, **kwargs)
        return traced(self, cursor, run, *args, **kwargs)

    async def traced_execution_async(self: Any, cursor: Any, run: Method, *args: Any, **kwargs: Any) -> Any:
        if _in_pipeline(cursor):
            return await run(*args, **kwargs)
        return await traced_async(self, cursor, run, *args, **kwargs)

    for method in (traced_execution, traced_execution_async):
        setattr(tracer, method.__name__, method)


def _in_pipeline(cursor: Any) -> bool:
    return bool(cursor.connection.pgconn.pipeline_status)


class _Cursors:
    """Wraps the methods of psycopg's cursor classes.

    Args:
        driver: Makes the spans.
        pipelines: Ends them where the answer comes later than the call returns.
    """

    def __init__(self, driver: Driver, pipelines: Pipelines) -> None:
        self._driver = driver
        self._pipelines = pipelines
        self._servers: weakref.WeakKeyDictionary[Any, Attributes] = weakref.WeakKeyDictionary()

    def execute(self, method: Method) -> Method:
        """``execute`` or ``executemany``: not again what contrib traces, unless it is in a pipeline."""
        is_batch = method.__name__ == "executemany"

        @wraps(method)
        def traced(cursor: Any, *args: Any, **kwargs: Any) -> Any:
            with self._executing(cursor, is_batch, args, kwargs):
                return method(cursor, *args, **kwargs)

        return traced

    def execute_async(self, method: Method) -> Method:
        """Likewise."""
        is_batch = method.__name__ == "executemany"

        @wraps(method)
        async def traced(cursor: Any, *args: Any, **kwargs: Any) -> Any:
            with self._executing(cursor, is_batch, args, kwargs):
                return await method(cursor, *args, **kwargs)

        return traced

    def stream(self, method: Method) -> Method:
        """A statement that lasts until its last row."""

        @wraps(method)
        def traced(cursor: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
            with self._traced(cursor, args, kwargs, Statement):
                yield from method(cursor, *args, **kwargs)

        return traced

    def stream_async(self, method: Method) -> Method:
        """Likewise."""

        @wraps(method)
        async def traced(cursor: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            rows = method(cursor, *args, **kwargs)
            with self._traced(cursor, args, kwargs, Statement):
                try:
                    async for row in rows:
                        yield row
                finally:
                    # Whoever stops early closes only the generator that he sees.
                    await rows.aclose()

        return traced

    def copy(self, method: Method) -> Method:
        """A statement that lasts until its data has gone through."""

        @wraps(method)
        @contextmanager
        def traced(cursor: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
            with self._traced(cursor, args, kwargs, _Copy), method(cursor, *args, **kwargs) as copy:
                yield copy

        return traced

    def copy_async(self, method: Method) -> Method:
        """Likewise."""

        @wraps(method)
        @asynccontextmanager
        async def traced(cursor: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with self._traced(cursor, args, kwargs, _Copy):
                async with method(cursor, *args, **kwargs) as copy:
                    yield copy

        return traced

    def _executing(
        self, cursor: Any, is_batch: bool, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> AbstractContextManager[object]:
        in_pipeline = _in_pipeline(cursor)
        if (not in_pipeline and _is_traced_by_contrib(cursor)) or not is_instrumentation_enabled():
            return _untraced
        size = batch_size(args[1] if len(args) > 1 else kwargs.get("params_seq")) if is_batch else 1
        if not size:
            return _untraced
        statement = self._statement(cursor, args, kwargs, size)
        if isinstance(cursor, (psycopg.ServerCursor, psycopg.AsyncServerCursor)):
            remember_parameters(statement.span, STREAMED)
        return self._pipelines.sending(cursor, statement, is_batch) if in_pipeline else statement

    def _traced(
        self, cursor: Any, args: tuple[Any, ...], kwargs: dict[str, Any], kind: type[Statement]
    ) -> AbstractContextManager[object]:
        if not is_instrumentation_enabled():
            return _untraced
        statement = kind(self._statement(cursor, args, kwargs).span)
        # What stream() gives arrives row by row, as a server-side cursor's rows do.
        remember_parameters(statement.span, STREAMED)
        return statement

    def _statement(self, cursor: Any, args: tuple[Any, ...], kwargs: dict[str, Any], size: int = 1) -> Statement:
        query = args[0] if args else kwargs.get("query", kwargs.get("statement"))
        return self._driver.statement(lambda: _text(query, cursor), lambda: self._server(cursor.connection), size)

    def _server(self, connection: Any) -> Attributes:
        server = self._servers.get(connection)
        if server is None:
            server = self._servers[connection] = _server(connection)
        return server


class _Copy(Statement):
    """A COPY: what stops it without being an error of the database was the application's own decision."""

    __slots__ = ()

    def end(self, error: BaseException | None = None, facts: ErrorFacts | None = None) -> None:
        """Likewise."""
        if error is not None and not isinstance(error, psycopg.Error):
            facts = ErrorFacts("cancelled", class_name(error))
        super().end(error, facts)


class _Steps:
    """Wraps what is no statement, to tell of it where it fails."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def connect(self, connect: Method, _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run ``connect``."""
        start_ns = time.time_ns()
        try:
            return connect(*args, **kwargs)
        except BaseException as error:
            self._failed(CONNECT, error, start_ns, lambda: _wanted(args, kwargs))
            raise

    async def connect_async(self, connect: Method, _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Likewise."""
        start_ns = time.time_ns()
        try:
            return await connect(*args, **kwargs)
        except BaseException as error:
            self._failed(CONNECT, error, start_ns, lambda: _wanted(args, kwargs))
            raise

    def commit(self, commit: Method) -> Method:
        """``_commit_gen`` of a connection or a ``transaction()``, synchronous or not."""

        @wraps(commit)
        def watched(owner: Any) -> Any:
            start_ns = time.time_ns()
            try:
                return (yield from commit(owner))
            except psycopg.Error as error:
                self._failed(COMMIT, error, start_ns, lambda: _server(getattr(owner, "_conn", owner)))
                raise

        return watched

    def _failed(self, step: str, error: BaseException, start_ns: int, server: Callable[[], Attributes]) -> None:
        if is_instrumentation_enabled():
            self._driver.step_failed(step, error, start_ns, server)


def _is_traced_by_contrib(cursor: Any) -> bool:
    # contrib makes a class for each connection, so a cache by class would grow for ever.
    return type(cursor).__module__ == contrib.__name__


def _text(query: Any, cursor: Any) -> str:
    if isinstance(query, bytes):
        return query.decode("utf-8", "replace")
    return query if isinstance(query, str) else str(query.as_string(cursor))


def _server(connection: Any) -> Attributes:
    info = connection.info
    return server_attributes(info.dbname, info.host, info.port)


def _wanted(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Attributes:
    """The server that ``connect`` was told; nothing else of what it was told is looked at."""
    given = {key: kwargs[key] for key in ("dbname", "host", "port") if kwargs.get(key) is not None}
    wanted = conninfo_to_dict(args[0] if args else kwargs.get("conninfo", ""), **given)
    return server_attributes(wanted.get("dbname"), wanted.get("host"), wanted.get("port"))
