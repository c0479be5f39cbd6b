"""Completes contrib's psycopg2 instrumentation: its traced cursors trace COPY too, and refused connections are told of.

psycopg2's own classes are written in C and can't be wrapped; contrib makes a class of traced cursors for each
connection, and that one can.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import psycopg2
from opentelemetry.instrumentation import psycopg2 as contrib
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from psycopg2.extensions import parse_dsn, quote_ident
from wrapt import wrap_function_wrapper

from otel_dbmon.instrumentation.statement import CONNECT, Attributes, Driver, server_attributes
from otel_dbmon_processors.pipeline import Pipeline

Method = Callable[..., Any]
_completed = False


def complete(pipeline: Pipeline) -> None:
    """Add what contrib's cursor class lacks to each one that it makes.

    Args:
        pipeline: Counts our failures, and connections that could not be made.
    """
    global _completed
    if _completed:
        return
    _completed = True
    driver = Driver("psycopg2", "postgresql", pipeline)
    new_cursor_factory: Method = contrib._new_cursor_factory

    def new_complete_cursor_factory(*args: Any, **kwargs: Any) -> type[Any]:
        return _completed_cursor(new_cursor_factory(*args, **kwargs), driver)

    def connect(run: Method, _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        start_ns = time.time_ns()
        try:
            return run(*args, **kwargs)
        except BaseException as error:
            if is_instrumentation_enabled():
                driver.step_failed(CONNECT, error, start_ns, lambda: _wanted(args, kwargs))
            raise

    setattr(contrib, "_new_cursor_factory", new_complete_cursor_factory)  # noqa: B010
    wrap_function_wrapper(psycopg2, "connect", connect)


def _completed_cursor(traced: type[Any], driver: Driver) -> type[Any]:
    class CompletedCursor(traced):  # type: ignore[misc]
        """contrib's cursor, with COPY."""

        def copy_expert(self, sql: Any, *args: Any, **kwargs: Any) -> Any:
            with _copying(driver, self, lambda: _text(sql, self)):
                return super().copy_expert(sql, *args, **kwargs)

        def copy_from(self, file: Any, table: str, *args: Any, **kwargs: Any) -> Any:
            with _copying(driver, self, lambda: f"COPY {quote_ident(table, self)} FROM STDIN"):
                return super().copy_from(file, table, *args, **kwargs)

        def copy_to(self, file: Any, table: str, *args: Any, **kwargs: Any) -> Any:
            with _copying(driver, self, lambda: f"COPY {quote_ident(table, self)} TO STDOUT"):
                return super().copy_to(file, table, *args, **kwargs)

    return CompletedCursor


def _copying(driver: Driver, cursor: Any, text: Callable[[], str]) -> AbstractContextManager[object]:
    return driver.statement(text, lambda: _server(cursor)) if is_instrumentation_enabled() else nullcontext()


def _text(sql: Any, cursor: Any) -> str:
    if isinstance(sql, bytes):
        return sql.decode("utf-8", "replace")
    return sql if isinstance(sql, str) else str(sql.as_string(cursor))


def _server(cursor: Any) -> Attributes:
    info = cursor.connection.info
    return server_attributes(info.dbname, info.host, info.port)


def _wanted(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Attributes:
    """The server that ``connect`` was told; nothing else of what it was told is looked at."""
    wanted = {**parse_dsn((args[0] if args else kwargs.get("dsn")) or ""), **kwargs}
    return server_attributes(wanted.get("dbname") or wanted.get("database"), wanted.get("host"), wanted.get("port"))
