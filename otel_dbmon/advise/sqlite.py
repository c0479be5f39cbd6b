"""Asks SQLite how it would run a query, on a copy of the database's schema in memory; the file is only ever read.

SQLite has no costs to show, but indexes can really be created on the copy, and its statistics (``ANALYZE``) go along:
what is proven is that the planner would use the index instead of reading the table.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from otel_dbmon.advise.model import AdviceError, CannotAnalyseError, Index, Key, Query, Table
from otel_dbmon.advise.template import quoted
from otel_dbmon.explain.template import colon

#: Rows that SQLite expects of an index without statistics, and the share that a range leaves.
_ROWS_FOUND = 10.0
_RANGE = 0.25
_SCAN = re.compile(r"SCAN (?:TABLE )?(\S+)")
_SEARCH = re.compile(r"SEARCH (?:TABLE )?(\S+) USING (.*)")
_USED = re.compile(r"\(([^()]*)\)")


class SQLite:
    """A prover, see :class:`otel_dbmon.advise.model.Prover`.

    Args:
        path: The database's file.

    Raises:
        AdviceError: There is no database.
    """

    dialect = "sqlite"
    proof = "plan"
    # A step down a B-tree and a cell that is written, counted in rows read.
    write_cost = 4.0

    def __init__(self, path: Path) -> None:
        try:
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source:
                schema = source.execute(
                    "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
                    " ORDER BY type = 'table' DESC"
                ).fetchall()
                self._rows = {name: _rows_of(source, name) for kind, name, _ in schema if kind == "table"}
                has_statistics = source.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone()
                statistics = source.execute("SELECT tbl, idx, stat FROM sqlite_stat1") if has_statistics else ()
                self._statistics = list(statistics)
        except sqlite3.Error as error:
            raise AdviceError(f"{path}: no SQLite database that can be read ({type(error).__name__})") from None
        self._copy = sqlite3.connect(":memory:", isolation_level=None)
        for kind, _, text in schema:
            if kind != "trigger":
                self._copy.execute(text)
        self._copy.execute("ANALYZE sqlite_master")
        self._copy.executemany("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", self._statistics)
        self._copy.execute("ANALYZE sqlite_master")
        self._views = {name for kind, name, _ in schema if kind == "view"}

    def close(self) -> None:
        """Ask no more."""
        self._copy.close()

    def identifier(self, name: str) -> str:
        """Likewise."""
        return quoted(name, '"', self.dialect)

    def table(self, schema: str, name: str) -> Table | None:
        """Likewise."""
        if schema not in ("", "main"):
            return None
        if name.lower() in map(str.lower, self._views):
            raise CannotAnalyseError("it reads a view")
        found = next((known for known in self._rows if known.lower() == name.lower()), None)
        if found is None:
            return None
        quoted = self.identifier(found)
        columns = tuple(row[1] for row in self._copy.execute(f"PRAGMA table_info({quoted})"))
        return Table(quoted, found, columns, self._rows[found], self._distinct(found), self._indexes(found, quoted))

    def _indexes(self, table: str, quoted: str) -> tuple[Index, ...]:
        indexes = []
        for _, name, is_unique, _, is_partial in self._copy.execute(f"PRAGMA index_list({quoted})").fetchall():
            rows = self._copy.execute(f"PRAGMA index_xinfo({self.identifier(name)})").fetchall()
            keys = tuple(
                Key(self.identifier(row[2]), row[2], "DESC" if row[3] else "") for row in rows if row[5] and row[2]
            )
            if keys and not is_partial:
                indexes.append(Index(quoted, keys, name, bool(is_unique)))
        for row in self._copy.execute(f"PRAGMA table_info({quoted})"):
            if row[5] == 1:
                # INTEGER PRIMARY KEY is the table's own order.
                indexes.append(Index(quoted, (Key(self.identifier(row[1]), row[1]),), f"{table} itself", True))
        return tuple(indexes)

    def _distinct(self, table: str) -> dict[str, float]:
        """From the statistics: rows of the table over rows for each value of an index's first column."""
        found: dict[str, float] = {}
        for owner, index, stat in self._statistics:
            numbers = [int(word) for word in str(stat).split() if word.isdecimal()]
            if owner == table and index and len(numbers) > 1:
                rows = self._copy.execute(f"PRAGMA index_info({self.identifier(index)})").fetchall()
                if rows and rows[0][2]:
                    found[rows[0][2]] = numbers[0] / max(numbers[1], 1)
        return found

    def costs(self, query: Query, sets: Sequence[frozenset[Index]]) -> list[float]:
        """Likewise: about how many rows are looked at."""
        return [self._cost(query, indexes) for indexes in sets]

    def _cost(self, query: Query, indexes: frozenset[Index]) -> float:
        self._copy.execute("BEGIN")
        try:
            for number, index in enumerate(sorted(indexes, key=str)):
                keys = ", ".join(map(str, index.keys))
                self._copy.execute(f"CREATE INDEX otel_dbmon_{number} ON {index.table} ({keys})")
            text = f"EXPLAIN QUERY PLAN {query.template.text(colon)}"
            values = {f"p{number}": None for number in range(1, query.template.parameters + 1)}
            plan = [row[3] for row in self._copy.execute(text, values)]
        except sqlite3.Error as error:
            if not indexes:
                raise CannotAnalyseError(f"SQLite does not plan it ({type(error).__name__})") from None
            return math.inf
        finally:
            self._copy.execute("ROLLBACK")
        return self._rows_looked_at(plan, query)

    def _rows_looked_at(self, plan: list[str], query: Query) -> float:
        total, loop, whole = 0.0, 1.0, True
        largest = max((table.rows for table in query.tables), default=1.0)
        for step in plan:
            if (scan := _SCAN.match(step)) is not None:
                loop *= self._rows_named(scan[1], query, largest)
                total += loop
            elif (search := _SEARCH.match(step)) is not None:
                rows = self._rows_named(search[1], query, largest)
                found = self._rows_searched(search[2], rows)
                # For each row of whole tables, all searches together find the whole of this one.
                loop *= max(found, rows / loop) if whole and loop > 1.0 else found
                whole = False
                # An index that SQLite would build anew for every run reads the whole table.
                total += loop + (largest if "AUTOMATIC" in search[2] else 0.0)
            elif step.startswith("USE TEMP B-TREE"):
                total += loop * max(math.log2(max(loop, 2.0)), 1.0)
        return total

    def _rows_named(self, name: str, query: Query, otherwise: float) -> float:
        table = query.aliases.get(name)
        return otherwise if table is None else max(table.rows, 1.0)

    @staticmethod
    def _rows_searched(how: str, rows: float) -> float:
        used = _USED.search(how)
        if "PRIMARY KEY" in how and used is not None and used[1].endswith("=?"):
            return 1.0
        if used is None:
            return rows
        terms = used[1].split(" AND ")
        equalities = [term for term in terms if term.endswith("=?")]
        if not equalities:
            return max(rows * _RANGE, 1.0)
        # Each further column leaves fewer, as SQLite itself supposes.
        found = min(rows, max(_ROWS_FOUND / 2.0 ** (len(equalities) - 1), 1.0))
        return max(found * _RANGE, 1.0) if len(terms) > len(equalities) else found

    def size(self, index: Index) -> int | None:
        """Unknown."""
        return None

    def costs_of_values(self, query: Query, sets: Sequence[frozenset[Index]]) -> list[tuple[float, float]] | None:
        """Unknown."""
        return None

    def create(self, index: Index) -> str:
        """Likewise."""
        return f"CREATE INDEX {index.suggested_name} ON {index.table} ({', '.join(map(str, index.keys))});"


def _rows_of(source: sqlite3.Connection, table: str) -> float:
    """About how many rows a table has, without reading it."""
    quoted = '"' + table.replace('"', '""') + '"'
    try:
        row = source.execute(f"SELECT max(rowid) FROM {quoted}").fetchone()
        return float(row[0] or 0)
    except (sqlite3.Error, TypeError, ValueError):
        # WITHOUT ROWID, or virtual.
        return 100_000.0
