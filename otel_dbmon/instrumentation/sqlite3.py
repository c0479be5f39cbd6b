"""Completes contrib's sqlite3 instrumentation: the short cuts of a connection send statements like its cursors do."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from opentelemetry.instrumentation import dbapi

_completed = False


def complete() -> None:
    """Give contrib's traced connections the short cuts."""
    global _completed
    if _completed:
        return
    _completed = True
    traced_proxy: Callable[..., Any] = dbapi.get_traced_connection_proxy

    def traced_connection(connection: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(connection, sqlite3.Connection):
            return _TracedConnection(connection, *args, **kwargs)
        return traced_proxy(connection, *args, **kwargs)

    setattr(dbapi, "get_traced_connection_proxy", traced_connection)  # noqa: B010


class _TracedConnection(dbapi.TracedConnectionProxy[Any]):
    """As Python's documentation has it: a short cut makes a cursor and calls its method of the same name."""

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        return self.cursor().execute(*args, **kwargs)

    def executemany(self, *args: Any, **kwargs: Any) -> Any:
        return self.cursor().executemany(*args, **kwargs)
