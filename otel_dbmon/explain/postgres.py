"""Asks PostgreSQL for the plan of a statement, through psycopg or psycopg2; nothing is executed, nothing outlives it.

One question is one transaction: read only, with time-outs for statements and locks, rolled back. The statement is
prepared (``PREPARE`` takes nothing but a query, INSERT, UPDATE, DELETE, MERGE), explained for any value
(``plan_cache_mode``) with NULLs in its places, and given up. Since PostgreSQL 16 ``EXPLAIN (GENERIC_PLAN)`` says the
same; this way is one for all versions from 12 on.
"""

from __future__ import annotations

import json
from importlib import import_module
from itertools import count
from typing import Any

from otel_dbmon.explain.asking import NoPlanError, close_quietly
from otel_dbmon.explain.sender import Address
from otel_dbmon.explain.template import Template, dollar
from otel_dbmon.explain.tree import plan_of
from otel_dbmon_processors.plan import Plan

#: How the connection is called in ``pg_stat_activity``.
APPLICATION = "otel-dbmon explain"
_BEGIN = (
    "BEGIN READ ONLY; SET LOCAL statement_timeout = '1s'; SET LOCAL lock_timeout = '100ms';"
    " SET LOCAL idle_in_transaction_session_timeout = '10s'; SET LOCAL plan_cache_mode = force_generic_plan"
)
#: The shortest time-out that libpq allows, and to notice within some seconds that the other side is no more.
_OWN = {
    "connect_timeout": 2,
    "keepalives_idle": 3,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "application_name": APPLICATION,
}
_TIMEOUT_STATES = {"55P03": "locked", "57014": "too_late"}
_names = count(1)


def open_door(address: Address, with_conditions: bool = True) -> PostgresDoor:
    """Connect as the application did.

    Args:
        address: As whom, and where.
        with_conditions: Whether plans say them.

    Raises:
        NoPlanError: The server cannot be reached, or refuses us.
    """
    module: Any = import_module(address.driver)
    try:
        connection = module.connect(**{**dict(address.parameters), **_OWN})
        connection.autocommit = True
        if hasattr(connection, "prepare_threshold"):
            # What psycopg prepares of its own would not survive a pooler that hands out transactions.
            connection.prepare_threshold = None
    except module.Error:
        raise NoPlanError("unreachable", is_over=True) from None
    return PostgresDoor(connection, module.Error, with_conditions)


class PostgresDoor:
    """See :class:`otel_dbmon.explain.asking.Door`.

    Args:
        connection: One of psycopg or psycopg2, in autocommit mode.
        error: What its driver raises.
        with_conditions: Whether plans say them.
    """

    def __init__(self, connection: Any, error: type[Exception], with_conditions: bool) -> None:
        self._connection = connection
        self._with_conditions = with_conditions
        self._error = error

    def close(self) -> None:
        """Likewise."""
        close_quietly(self._connection)

    def plan(self, template: Template) -> Plan:
        """Likewise."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(_BEGIN)
                try:
                    row = self._explained(cursor, template)
                finally:
                    if not self._connection.closed:
                        cursor.execute("ROLLBACK")
        except self._error as error:
            raise self._no_plan(error) from None
        found = row[0] if isinstance(row[0], list) else json.loads(row[0])
        return plan_of(found[0]["Plan"], self._with_conditions)

    @staticmethod
    def _explained(cursor: Any, template: Template) -> Any:
        # A name for each: through a pooler, a server's connection may know the last one still.
        name = f"otel_dbmon_{next(_names)}"
        cursor.execute(f"PREPARE {name} AS {template.text(dollar)}")
        cursor.execute("SAVEPOINT otel_dbmon")
        nulls = ", ".join(["NULL"] * template.parameters)
        try:
            cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE {name}" + (f"({nulls})" if nulls else ""))
            return cursor.fetchone()
        finally:
            if not cursor.connection.closed:
                # A prepared statement is not undone by the end of a transaction.
                cursor.execute(f"ROLLBACK TO SAVEPOINT otel_dbmon; DEALLOCATE {name}")

    def _no_plan(self, error: Any) -> NoPlanError:
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""
        if self._connection.closed or not state or (state[:2] in ("08", "57") and state not in _TIMEOUT_STATES):
            return NoPlanError("unreachable", is_over=True)
        return NoPlanError(_TIMEOUT_STATES.get(state, "refused"))
