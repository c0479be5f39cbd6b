"""Asks PostgreSQL for the plan of a statement; nothing is executed, nothing outlives the question.

One question is one transaction: read only, with time-outs for statements and locks, rolled back. The statement is
prepared (``PREPARE`` takes nothing but a query, INSERT, UPDATE, DELETE, MERGE), explained for any value
(``plan_cache_mode``) with NULLs in its places, and given up. Since PostgreSQL 16 ``EXPLAIN (GENERIC_PLAN)`` says the
same; this way is one for all versions from 12 on.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
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


def open_door(address: Address, with_conditions: bool = True) -> LibpqDoor:
    """Connect as the application did, through psycopg or psycopg2.

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
    return LibpqDoor(connection, with_conditions, module.Error)


class PostgresDoor(ABC):
    """See :class:`otel_dbmon.explain.asking.Door`.

    Args:
        with_conditions: Whether plans say them.
        errors: What the driver raises.
    """

    def __init__(self, with_conditions: bool, *errors: type[Exception]) -> None:
        self._with_conditions = with_conditions
        self._errors = errors

    @abstractmethod
    def execute(self, text: str) -> None:
        """Send statements whose answers do not matter."""

    @abstractmethod
    def fetch(self, text: str) -> Any:
        """Send a statement, and give the value that it answers with."""

    @abstractmethod
    def is_closed(self) -> bool:
        """Whether the connection is known to be of no more use."""

    @abstractmethod
    def close(self) -> None:
        """Likewise."""

    def plan(self, template: Template) -> Plan:
        """Likewise."""
        try:
            self.execute(_BEGIN)
            try:
                answer = self._explained(template)
            finally:
                if not self.is_closed():
                    self.execute("ROLLBACK")
        except self._errors as error:
            raise self._no_plan(error) from None
        found = answer if isinstance(answer, list) else json.loads(answer)
        return plan_of(found[0]["Plan"], self._with_conditions)

    def _explained(self, template: Template) -> Any:
        # A name for each: through a pooler, a server's connection may know the last one still.
        name = f"otel_dbmon_{next(_names)}"
        self.execute(f"PREPARE {name} AS {template.text(dollar)}")
        self.execute("SAVEPOINT otel_dbmon")
        nulls = ", ".join(["NULL"] * template.parameters)
        try:
            return self.fetch(f"EXPLAIN (FORMAT JSON) EXECUTE {name}" + (f"({nulls})" if nulls else ""))
        finally:
            if not self.is_closed():
                # A prepared statement is not undone by the end of a transaction.
                self.execute(f"ROLLBACK TO SAVEPOINT otel_dbmon; DEALLOCATE {name}")

    def _no_plan(self, error: Exception) -> NoPlanError:
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""
        if self.is_closed() or not state or (state[:2] in ("08", "57") and state not in _TIMEOUT_STATES):
            return NoPlanError("unreachable", is_over=True)
        return NoPlanError(_TIMEOUT_STATES.get(state, "refused"))


class LibpqDoor(PostgresDoor):
    """Through psycopg or psycopg2.

    Args:
        connection: One of theirs, in autocommit mode.
        with_conditions: Whether plans say them.
        error: What the driver raises.
    """

    def __init__(self, connection: Any, with_conditions: bool, error: type[Exception]) -> None:
        super().__init__(with_conditions, error)
        self.connection = connection

    def execute(self, text: str) -> None:
        """Likewise."""
        with self.connection.cursor() as cursor:
            cursor.execute(text)

    def fetch(self, text: str) -> Any:
        """Likewise."""
        with self.connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchone()[0]

    def is_closed(self) -> bool:
        """Likewise."""
        return bool(self.connection.closed)

    def close(self) -> None:
        """Likewise."""
        close_quietly(self.connection)
