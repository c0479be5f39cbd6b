"""Knows which instrumentations are about SQL databases: their spans are recorded, their metrics are ours to give."""

from __future__ import annotations

import os

_PREFIX = "opentelemetry.instrumentation."
#: What the scopes of our own instrumentation begin with; the name of the driver follows.
OWN_PREFIX = "otel_dbmon.instrumentation."
_DATABASE_LIBRARIES = frozenset(
    {
        "aiopg", "asyncpg", "dbapi", "mysql", "mysqlclient", "psycopg", "psycopg2", "pymssql", "pymysql", "sqlalchemy",
        "sqlite3", "tortoiseorm",
    }
)  # fmt: skip


def is_database_scope(name: str) -> bool:
    """Whether ``opentelemetry.instrumentation.NAME[...]`` instruments a SQL database library, or the scope is ours."""
    if name.startswith(OWN_PREFIX):
        return True
    return name.startswith(_PREFIX) and name[len(_PREFIX) :].partition(".")[0] in _DATABASE_LIBRARIES


def is_database_instrumentor(name: str) -> bool:
    """Whether the entry point of that name instruments a SQL database library."""
    return name in _DATABASE_LIBRARIES


def is_disabled_by_user(instrumentor: str) -> bool:
    """Whether ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`` names this entry point, or all of them."""
    disabled = {name.strip() for name in os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")}
    return "*" in disabled or instrumentor in disabled
