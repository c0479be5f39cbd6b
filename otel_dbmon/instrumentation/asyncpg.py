"""Completes contrib's asyncpg instrumentation: a cursor is one statement however often it is read, a COPY is one too.

contrib makes a span for each row that a cursor gives, for BEGIN and COMMIT of each transaction, none for COPY, and
leaves the span of a cancelled statement without a status.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import context
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.trace import INVALID_SPAN, Span
from wrapt import wrap_function_wrapper

from otel_dbmon.instrumentation.statement import (
    COMMIT,
    CONNECT,
    Attributes,
    Driver,
    Silence,
    batch_size,
    fail,
    server_attributes,
)
from otel_dbmon_processors.pipeline import Pipeline
from otel_dbmon_processors.span import STREAMED, remember_parameters
from otel_dbmon_semconv import attributes as names

Method = Callable[..., Any]
Args = tuple[Any, ...]
Kwargs = dict[str, Any]

#: The context key under which the tracer finds how many operations the statement stands for.
_BATCH = context.create_key("otel_dbmon-batch")
#: What contrib's names of a cursor's spans begin with.
_CURSOR = "CURSOR: "
_completed = False


def complete(pipeline: Pipeline) -> None:
    """Wrap what contrib leaves untraced or traces too often.

    Args:
        pipeline: Counts our failures, and connections and commits that failed.
    """
    global _completed
    if _completed:
        return
    _completed = True
    instrumentor: Any = AsyncPGInstrumentor()  # type: ignore[no-untyped-call]
    instrumentor._tracer = _Tracer(instrumentor._tracer)
    calls = _Calls(Driver("asyncpg", "postgresql", pipeline))
    for module, method, wrapper in (
        ("asyncpg", "connect", calls.connect),
        ("asyncpg.connection", "connect", calls.connect),
        ("asyncpg.connection", "Connection.executemany", calls.batch),
        ("asyncpg.connection", "Connection.fetchmany", calls.fetchmany),
        ("asyncpg.connection", "Connection.copy_from_table", calls.copy_from_table),
        ("asyncpg.connection", "Connection.copy_from_query", calls.copy_from_query),
        ("asyncpg.connection", "Connection.copy_to_table", calls.copy_to_table),
        ("asyncpg.connection", "Connection.copy_records_to_table", calls.copy_to_table),
        ("asyncpg.connection", "Connection.reset", calls.silent),
        ("asyncpg.prepared_stmt", "PreparedStatement.executemany", calls.prepared_batch),
        ("asyncpg.prepared_stmt", "PreparedStatement.fetchmany", calls.prepared_batch),
        ("asyncpg.cursor", "Cursor._init", calls.open_cursor),
        ("asyncpg.cursor", "Cursor.fetch", calls.silent),
        ("asyncpg.cursor", "Cursor.fetchrow", calls.silent),
        ("asyncpg.cursor", "Cursor.forward", calls.silent),
        ("asyncpg.cursor", "CursorIterator.__anext__", calls.next_row),
        ("asyncpg.transaction", "Transaction.start", calls.silent),
        ("asyncpg.transaction", "Transaction._Transaction__commit", calls.commit),
        ("asyncpg.transaction", "Transaction._Transaction__rollback", calls.silent),
    ):
        try:
            wrap_function_wrapper(module, method, wrapper)
        except AttributeError as error:
            # Not every version has every method.
            pipeline.guard.failed("asyncpg", error)


class _Tracer:
    """Gives contrib's spans what it does not: the error whatever its kind, the size of a batch.

    Args:
        tracer: contrib's own tracer.
    """

    def __init__(self, tracer: Any) -> None:
        self._tracer = tracer

    @contextmanager
    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Iterator[Span]:
        """The tracer's own method, with what is missing."""
        if not is_instrumentation_enabled():
            # Before 0.66b0 contrib does not ask.
            yield INVALID_SPAN
            return
        with self._tracer.start_as_current_span(*args, **kwargs) as span:
            size = context.get_value(_BATCH)
            if isinstance(size, int) and size > 1:
                span.set_attribute(names.DB_OPERATION_BATCH_SIZE, size)
            if args and str(args[0]).startswith(_CURSOR):
                remember_parameters(span, STREAMED)
            try:
                yield span
            except BaseException as error:
                fail(span, error)
                raise


class _Calls:
    """Wrappers of asyncpg's methods, in the form that ``wrapt`` calls."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def connect(self, run: Method, _: object, args: Args, kwargs: Kwargs) -> Any:
        """Tell of it only where it fails."""
        start_ns = time.time_ns()
        try:
            return await run(*args, **kwargs)
        except BaseException as error:
            if is_instrumentation_enabled():
                self._driver.step_failed(CONNECT, error, start_ns, lambda: _wanted(kwargs))
            raise

    async def commit(self, run: Method, transaction: Any, args: Args, kwargs: Kwargs) -> Any:
        """Likewise."""
        start_ns = time.time_ns()
        try:
            with Silence():
                return await run(*args, **kwargs)
        except BaseException as error:
            if is_instrumentation_enabled():
                self._driver.step_failed(COMMIT, error, start_ns, lambda: _server(transaction._connection))
            raise

    async def silent(self, run: Method, _: object, args: Args, kwargs: Kwargs) -> Any:
        """No statement of the application."""
        with Silence():
            return await run(*args, **kwargs)

    async def next_row(self, run: Method, cursor: Any, args: Args, kwargs: Kwargs) -> Any:
        """The statement is what opens the cursor; further rows are part of its answer."""
        if cursor._portal_name is None and not cursor._exhausted and not cursor._buffer:
            return await run(*args, **kwargs)
        with Silence():
            return await run(*args, **kwargs)

    async def open_cursor(self, run: Method, cursor: Any, args: Args, kwargs: Kwargs) -> Any:
        """A cursor that is read in pieces."""
        query = cursor._query or cursor._state.query
        return await self._trace(run, query, cursor._connection, args, kwargs, is_streamed=True)

    async def batch(self, run: Method, _: object, args: Args, kwargs: Kwargs) -> Any:
        """``executemany(command, args)``."""
        return await _run_batch(run, args[1] if len(args) > 1 else kwargs.get("args"), args, kwargs)

    async def prepared_batch(self, run: Method, _: object, args: Args, kwargs: Kwargs) -> Any:
        """``executemany(args)`` of a prepared statement."""
        return await _run_batch(run, args[0] if args else kwargs.get("args"), args, kwargs)

    async def fetchmany(self, run: Method, connection: Any, args: Args, kwargs: Kwargs) -> Any:
        """``fetchmany(query, args)``."""
        query = args[0] if args else kwargs.get("query")
        size = batch_size(args[1] if len(args) > 1 else kwargs.get("args"))
        return await self._trace(run, query, connection, args, kwargs, size)

    async def copy_from_table(self, run: Method, connection: Any, args: Args, kwargs: Kwargs) -> Any:
        """``copy_from_table(table_name, ...)``."""
        return await self._trace(run, f"COPY {_table(args, kwargs)} TO STDOUT", connection, args, kwargs)

    async def copy_from_query(self, run: Method, connection: Any, args: Args, kwargs: Kwargs) -> Any:
        """``copy_from_query(query, ...)``."""
        query = args[0] if args else kwargs.get("query")
        return await self._trace(run, f"COPY ({query}) TO STDOUT", connection, args, kwargs)

    async def copy_to_table(self, run: Method, connection: Any, args: Args, kwargs: Kwargs) -> Any:
        """``copy_to_table(table_name, ...)`` and ``copy_records_to_table(table_name, ...)``."""
        return await self._trace(run, f"COPY {_table(args, kwargs)} FROM STDIN", connection, args, kwargs)

    async def _trace(
        self,
        run: Method,
        text: object,
        connection: Any,
        args: Args,
        kwargs: Kwargs,
        size: int = 1,
        is_streamed: bool = False,
    ) -> Any:
        if not size or not is_instrumentation_enabled():
            return await run(*args, **kwargs)
        with self._driver.statement(lambda: str(text), lambda: _server(connection), size) as statement:
            if is_streamed:
                remember_parameters(statement.span, STREAMED)
            return await run(*args, **kwargs)


async def _run_batch(run: Method, parameters: object, args: Args, kwargs: Kwargs) -> Any:
    size = batch_size(parameters)
    if not size:
        with Silence():
            return await run(*args, **kwargs)
    token = context.attach(context.set_value(_BATCH, size))
    try:
        return await run(*args, **kwargs)
    finally:
        context.detach(token)


def _table(args: Args, kwargs: Kwargs) -> str:
    """The table's name as asyncpg quotes it."""
    parts = (kwargs.get("schema_name"), args[0] if args else kwargs.get("table_name"))
    return ".".join('"{}"'.format(str(part).replace('"', '""')) for part in parts if part)


def _server(connection: Any) -> Attributes:
    address = connection._addr
    host, port = address if isinstance(address, tuple) else (address, None)
    return server_attributes(connection._params.database, host, port)


def _wanted(kwargs: Kwargs) -> Attributes:
    # A URL is not taken apart, for it may hold a password; a list of servers names none.
    return server_attributes(*(kwargs.get(key) for key in ("database", "host", "port")))
