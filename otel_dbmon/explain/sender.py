"""Finds out over which connection the statement that is ending right now was sent, and how to make another such one.

The frames of the thread tell: the instrumentation that ends the statement's span was called with its cursor or its
connection. So nothing has to be kept for statements that are not slow. What the driver's connection knows of itself is
all that is needed to make a second one, to the same server, by the same driver; the application's pool, its ``creator``
and its listeners are left alone: a creator may well give out a connection that is in use. Nothing is sent over the
connection that is found.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any, NamedTuple

#: Modules whose frames hold a statement's cursor or connection, and under which names.
_HOLDERS = ("sqlalchemy.engine.base", "opentelemetry.instrumentation.", "otel_dbmon.instrumentation.")
_NAMES = ("cursor", "connection", "instance", "self")
_MAX_FRAMES = 60
#: What libpq says of a connection that is no parameter of another one, or that we set ourselves.
_OURS = frozenset(
    {"application_name", "fallback_application_name", "connect_timeout", "client_encoding", "replication"}
)


class Address(NamedTuple):
    """How to make a connection like one of the application's. Holds a password: it stays in the process.

    Attributes:
        driver: ``psycopg``, ``psycopg2``, ``asyncpg`` or ``sqlite3``.
        parameters: What its ``connect`` is given, as sorted pairs.
    """

    driver: str
    parameters: tuple[tuple[str, Any], ...]

    def __repr__(self) -> str:
        return f"Address({self.driver!r})"


def address_of_sender() -> Address | None:
    """Where the statement that is ending in this thread was sent; None if it can't be known."""
    for frame in _frames():
        for name in _NAMES:
            held = frame.f_locals.get(name)
            address = None if held is None else _address_of(held)
            if address is not None:
                return address
    return None


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(2)
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return
        if str(frame.f_globals.get("__name__", "")).startswith(_HOLDERS):
            yield frame
        frame = frame.f_back


def _address_of(held: Any) -> Address | None:
    kind = type(held)
    if kind.__module__ == "sqlalchemy.engine.base":
        return _of_sqlalchemy(held)
    connection = getattr(held, "connection", held)
    return _of_driver(connection)


def _of_sqlalchemy(connection: Any) -> Address | None:
    engine = getattr(connection, "engine", None)
    if engine is None or getattr(connection, "closed", True) or getattr(connection, "invalidated", True):
        return None
    if engine.dialect.name == "sqlite":
        return _of_file(str(engine.url.database or ""))
    proxy = connection.connection
    return _of_driver(getattr(proxy, "driver_connection", None) or proxy.dbapi_connection)


def _of_driver(connection: Any) -> Address | None:
    for kind in type(connection).__mro__:
        reader = _READERS.get(kind.__module__.partition(".")[0])
        if reader is not None:
            return reader(connection)
    return None


def _of_psycopg(connection: Any) -> Address | None:
    info = getattr(connection, "info", None)
    return None if info is None else _of_libpq("psycopg", info, info.get_parameters())


def _of_psycopg2(connection: Any) -> Address | None:
    info = getattr(connection, "info", None)
    return None if info is None else _of_libpq("psycopg2", info, info.dsn_parameters)


def _of_asyncpg(connection: Any) -> Address | None:
    known, address = getattr(connection, "_params", None), getattr(connection, "_addr", None)
    if known is None or address is None:
        return None
    host, port = address if isinstance(address, tuple) else (address, None)
    settings = tuple(sorted((known.server_settings or {}).items()))
    parameters = {
        "host": host,
        "port": port,
        "user": known.user,
        "password": known.password,
        "database": known.database,
        "ssl": _tls_of(known),
        "server_settings": settings,
    }
    return Address("asyncpg", tuple(sorted((key, value) for key, value in parameters.items() if value)))


def _of_libpq(driver: str, info: Any, known: Mapping[str, str]) -> Address:
    parameters = {key: str(value) for key, value in known.items() if key not in _OURS and value}
    # The very server that it was sent to, of several.
    parameters.update({"host": info.host, "port": str(info.port), "dbname": info.dbname, "user": info.user})
    parameters.pop("hostaddr", None)
    if info.password:
        parameters["password"] = info.password
    return Address(driver, tuple(sorted((key, value) for key, value in parameters.items() if value)))


def _of_file(database: str) -> Address | None:
    # A database in memory belongs to its connection alone; a URI may say anything.
    if not database or database == ":memory:" or database.startswith("file:"):
        return None
    return Address("sqlite3", (("path", database),))


def _tls_of(known: Any) -> Any:
    """A context is a demand; where TLS was only preferred, it is to be so again."""
    mode = getattr(getattr(known, "sslmode", None), "name", "")
    return mode if mode in ("allow", "prefer") else known.ssl


_READERS = {"psycopg": _of_psycopg, "psycopg2": _of_psycopg2, "asyncpg": _of_asyncpg}
