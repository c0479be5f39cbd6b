"""Looks up which line of the application is running a statement; only when something was found about it.

Files and names of functions come out, never source text or the values of variables.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from types import FrameType
from typing import NamedTuple


class Location(NamedTuple):
    """A line of the application.

    Attributes:
        path: The file, relative to the working directory or to where it was imported from.
        line: Number of the line, from 1.
        function: Name of the function with its module, ``shop.orders.Page.rows``.
    """

    path: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


class Caller(NamedTuple):
    """Who sent a statement.

    Attributes:
        location: The line of the application, None if there is none.
        loading: In which way SQLAlchemy's objects sent it on their own: ``RELATIONSHIP``, ``REFRESH`` or "".
    """

    location: Location | None = None
    loading: str = ""


#: A relationship's objects were loaded when it was touched; an object was read again after a commit.
RELATIONSHIP, REFRESH = "relationship", "refresh"
#: The functions of SQLAlchemy that do that.
_LOADERS: dict[tuple[str, str], str] = {
    ("sqlalchemy.orm.strategies", "_emit_lazyload"): RELATIONSHIP,
    ("sqlalchemy.orm.loading", "load_scalar_attributes"): REFRESH,
}
_LOADER_NAMES = frozenset(name for _, name in _LOADERS)

#: Packages of ours, and those between an application and its database, wherever they are installed.
_BETWEEN = frozenset(
    {
        "otel_dbmon", "otel_dbmon_processors", "otel_dbmon_semconv", "opentelemetry", "wrapt", "greenlet",
        "sqlalchemy", "sqlmodel", "flask_sqlalchemy", "advanced_alchemy", "peewee", "playhouse", "pony", "tortoise",
        "django", "databases", "records", "dataset", "pandas", "polars",
        "psycopg", "psycopg_pool", "psycopg2", "asyncpg", "aiopg", "aiosqlite", "pymysql", "MySQLdb", "mysql",
        "aiomysql", "asyncmy", "mariadb", "pyodbc", "aioodbc", "pymssql", "oracledb", "cx_Oracle", "pg8000",
        "duckdb", "snowflake",
    }
)  # fmt: skip
_PACKAGE_FOLDERS = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
#: The standard library, frozen modules and compiled texts, and commands like /venv/bin/gunicorn.
_NO_APPLICATION = (
    os.path.dirname(os.__file__) + os.sep,
    os.path.dirname(sys.executable) + os.sep,
    "<",
)
_MAX_FRAMES = 400


def locate() -> Caller:
    """The innermost line of the application that is running in this thread or task.

    An application that is itself installed as a package is found where no other code called the database.
    """
    installed: FrameType | None = None
    loading = ""
    for frame in _frames():
        path, name = frame.f_code.co_filename, frame.f_code.co_name
        if any(folder in path for folder in _PACKAGE_FOLDERS):
            if name in _LOADER_NAMES:
                loading = loading or _LOADERS.get((frame.f_globals.get("__name__", ""), name), "")
            if installed is None and _package(frame) not in _BETWEEN:
                installed = frame
        elif not path.startswith(_NO_APPLICATION) and _package(frame) not in _BETWEEN:
            return Caller(_location(frame), loading)
    return Caller(None if installed is None else _location(installed), loading)


def _frames() -> Iterator[FrameType]:
    """The frames of this thread or task from the inside out, at most so many."""
    frame: FrameType | None = sys._getframe(2)
    greenlet = sys.modules.get("greenlet")
    current = greenlet.getcurrent() if greenlet is not None else None
    for _ in range(_MAX_FRAMES):
        if frame is None:
            # SQLAlchemy's async engines run below a greenlet; the coroutine that awaits it is in the parent.
            current = getattr(current, "parent", None)
            frame = getattr(current, "gr_frame", None)
            if frame is None:
                return
        yield frame
        frame = frame.f_back


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _location(frame: FrameType) -> Location:
    code = frame.f_code
    module = str(frame.f_globals.get("__name__", ""))
    name = getattr(code, "co_qualname", code.co_name)
    return Location(_short(code.co_filename), frame.f_lineno, f"{module}.{name}" if module else name)


def _short(path: str) -> str:
    """The path without what is only true of this machine."""
    if not os.path.isabs(path):
        return path
    try:
        folders = [os.getcwd(), *sys.path]
    except OSError:
        # The working directory may have been removed.
        folders = [*sys.path]
    for folder in folders:
        prefix = folder.rstrip(os.sep) + os.sep
        if folder and prefix != os.sep and path.startswith(prefix):
            return path[len(prefix) :]
    return os.sep.join(path.split(os.sep)[-2:])
