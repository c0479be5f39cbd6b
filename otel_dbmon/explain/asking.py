"""What asking a database for a plan has in common, whichever database it is."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Protocol

from otel_dbmon.explain.template import Template
from otel_dbmon_processors.plan import Plan


class NoPlanError(Exception):
    """There is no plan.

    Args:
        missing: Why, a word of the registry's ``plan_missing``.
        is_over: Whether the connection is of no more use.
    """

    def __init__(self, missing: str, is_over: bool = False) -> None:
        super().__init__(missing)
        self.missing = missing
        self.is_over = is_over


class Door(Protocol):
    """A connection of our own, used by one thread."""

    def plan(self, template: Template) -> Plan:
        """Ask for the plan of a statement.

        Raises:
            NoPlanError: There is none.
        """

    def close(self) -> None:
        """Close the connection; never raises."""


def close_quietly(connection: Any) -> None:
    """Close a driver's connection, whatever state it is in."""
    with suppress(Exception):
        connection.close()
