"""Asks SQLite for the plan of a statement, in a read-only connection of its own to the same file."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from otel_dbmon.explain.asking import NoPlanError, close_quietly
from otel_dbmon.explain.mask import masked
from otel_dbmon.explain.sender import Address
from otel_dbmon.explain.template import Template, colon
from otel_dbmon.explain.tree import hash_of, shortened
from otel_dbmon_processors.plan import Plan

_TIMEOUT_S = 0.1
_STEP = re.compile(r"(?:SCAN|SEARCH) ")
#: What older versions guess, and conditions, at the end of a step.
_GUESS, _CONDITIONS = re.compile(r"\s+\(~\d+ rows\)$"), re.compile(r"\s+\([^()]*\)$")


def open_door(address: Address, with_conditions: bool = True) -> SQLiteDoor:
    """Open the file, read only.

    Args:
        address: Which.
        with_conditions: Whether plans say them.

    Raises:
        NoPlanError: There is no such file.
    """
    try:
        path = Path(dict(address.parameters)["path"]).resolve()
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_TIMEOUT_S, cached_statements=0)
    except (sqlite3.Error, OSError, ValueError):
        raise NoPlanError("unreachable", is_over=True) from None
    return SQLiteDoor(connection, with_conditions)


class SQLiteDoor:
    """See :class:`otel_dbmon.explain.asking.Door`.

    Args:
        connection: To the file.
        with_conditions: Whether plans say them.
    """

    def __init__(self, connection: sqlite3.Connection, with_conditions: bool) -> None:
        self._connection = connection
        self._with_conditions = with_conditions

    def close(self) -> None:
        """Likewise."""
        close_quietly(self._connection)

    def plan(self, template: Template) -> Plan:
        """Likewise."""
        values = {f"p{number}": None for number in range(1, template.parameters + 1)}
        try:
            with closing(self._connection.cursor()) as cursor:
                # To explain is not to look whether the schema is still the one that was read before.
                cursor.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
                rows = cursor.execute(f"EXPLAIN QUERY PLAN {template.text(colon)}", values).fetchall()
        except sqlite3.OperationalError as error:
            locked = "locked" in str(error) or "busy" in str(error)
            raise NoPlanError("locked" if locked else "refused") from None
        except sqlite3.Error:
            raise NoPlanError("refused") from None
        return self._plan_of([(int(row[0]), int(row[1]), str(row[3])) for row in rows])

    def _plan_of(self, rows: list[tuple[int, int, str]]) -> Plan:
        depths: dict[int, int] = {0: -1}
        tree: list[tuple[int, str]] = []
        for number, parent, detail in rows:
            depths[number] = depths.get(parent, -1) + 1
            tree.append((depths[number], self._step(detail)))
        steps = dict.fromkeys(step for _, step in tree if _STEP.match(step) is not None)
        return Plan(shortened("  " * depth + step for depth, step in tree), hash_of(tree), tuple(steps))

    def _step(self, detail: str) -> str:
        text = _GUESS.sub("", detail)
        text = text if self._with_conditions else _CONDITIONS.sub("", text)
        return masked(text, "sqlite") or "(left out)"
