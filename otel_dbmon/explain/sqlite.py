"""Asks SQLite for the plan of a statement, in a read-only connection of its own to the same file."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from otel_dbmon.explain.asking import NoPlanError, close_quietly
from otel_dbmon.explain.mask import masked, named
from otel_dbmon.explain.sender import Address
from otel_dbmon.explain.template import Template, colon
from otel_dbmon.explain.tree import hash_of, shortened
from otel_dbmon_processors.plan import Plan

_TIMEOUT_S = 0.1
#: ``SEARCH t USING INDEX i (a=? AND b>?)``: the names of tables and indexes are all that differs from one to another.
_STEP = re.compile(r"(?:SCAN|SEARCH) .*")
_AUTOMATIC = re.compile(r"\s+\(~\d+ rows\)$")


def open_door(address: Address) -> SQLiteDoor:
    """Open the file, read only.

    Raises:
        NoPlanError: There is no such file.
    """
    try:
        path = Path(dict(address.parameters)["path"]).resolve()
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_TIMEOUT_S)
    except (sqlite3.Error, OSError, ValueError):
        raise NoPlanError("unreachable", is_over=True) from None
    return SQLiteDoor(connection)


class SQLiteDoor:
    """See :class:`otel_dbmon.explain.asking.Door`.

    Args:
        connection: To the file.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def close(self) -> None:
        """Likewise."""
        close_quietly(self._connection)

    def plan(self, template: Template) -> Plan:
        """Likewise."""
        values = {f"p{number}": None for number in range(1, template.parameters + 1)}
        try:
            with closing(self._connection.cursor()) as cursor:
                rows = cursor.execute(f"EXPLAIN QUERY PLAN {template.text(colon)}", values).fetchall()
        except sqlite3.OperationalError as error:
            locked = "locked" in str(error) or "busy" in str(error)
            raise NoPlanError("locked" if locked else "refused") from None
        except sqlite3.Error:
            raise NoPlanError("refused") from None
        return _plan_of([(int(row[0]), int(row[1]), str(row[3])) for row in rows])


def _plan_of(rows: list[tuple[int, int, str]]) -> Plan:
    depths: dict[int, int] = {0: -1}
    lines, shape = [], []
    for number, parent, detail in rows:
        depth = depths[number] = depths.get(parent, -1) + 1
        step = masked(_AUTOMATIC.sub("", detail), "sqlite") or "(left out)"
        lines.append("  " * depth + step)
        shape.append((depth, step))
    steps = dict.fromkeys(named_step for _, named_step in shape if _STEP.match(named_step))
    return Plan(shortened(lines), hash_of(shape), tuple(map(_short, steps)))


def _short(step: str) -> str:
    return named(step)
