"""Asks MySQL or MariaDB which tables a query reads as a whole: neither can plan with an index that is not there.

A candidate is taken to help where its first column is one the query compares, on a table that the plan reads from end
to end; how much it would help, nobody knows.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import Any

import pymysql

from otel_dbmon.advise.model import AdviceError, CannotAnalyseError, Index, Key, Query, Table
from otel_dbmon.advise.scans import hoped
from otel_dbmon.advise.template import quoted
from otel_dbmon.explain.template import Parameter

_TIMEOUT_S = 5
_DATES = frozenset({"date", "datetime", "timestamp"})


def connect(url: str) -> pymysql.Connection[Any]:
    """A connection for questions: read only, with time-outs.

    Raises:
        AdviceError: The server cannot be reached, or refuses us.
    """
    parts = urllib.parse.urlsplit(url)
    options = dict(urllib.parse.parse_qsl(parts.query))
    try:
        connection = pymysql.connect(
            host=parts.hostname or "localhost",
            port=parts.port or 3306,
            user=urllib.parse.unquote(parts.username or ""),
            password=urllib.parse.unquote(parts.password or ""),
            database=parts.path.lstrip("/") or None,
            unix_socket=options.get("unix_socket"),
            connect_timeout=10,
            read_timeout=2 * _TIMEOUT_S,
            autocommit=True,
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT version()")
            version = str(cursor.fetchone()[0])
            limit = (
                f"max_statement_time = {_TIMEOUT_S}"
                if "mariadb" in version.lower()
                else f"max_execution_time = {_TIMEOUT_S * 1000}"
            )
            cursor.execute(f"SET SESSION {limit}, lock_wait_timeout = 1")
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
    except pymysql.Error as error:
        raise AdviceError(f"MySQL: the connection failed (error {error.args[0] if error.args else '?'})") from None
    return connection


class MySQL:
    """A prover, see :class:`otel_dbmon.advise.model.Prover`.

    Args:
        connection: Where to ask.
    """

    dialect = "mysql"
    proof = "none"
    write_cost = 4.0

    def __init__(self, connection: pymysql.Connection[Any]) -> None:
        self._connection = connection
        self._tables: dict[tuple[str, str], Table | None] = {}
        self._types: dict[tuple[str, str], str] = {}

    def close(self) -> None:
        """Ask no more."""
        self._connection.close()

    def identifier(self, name: str) -> str:
        """Likewise."""
        return quoted(name, "`", self.dialect)

    def table(self, schema: str, name: str) -> Table | None:
        """Likewise."""
        key = (schema, name)
        if key not in self._tables:
            self._tables[key] = self._look_up(schema, name)
        return self._tables[key]

    def _rows(self, text: str, *arguments: str) -> Sequence[Any]:
        with self._connection.cursor() as cursor:
            cursor.execute(text, arguments)
            return list(cursor.fetchall())

    def _look_up(self, schema: str, name: str) -> Table | None:
        where = "table_schema = coalesce(nullif(%s, ''), database()) AND table_name = %s"
        found = self._rows(
            f"SELECT table_name, table_type, coalesce(table_rows, 0) FROM information_schema.tables WHERE {where}",
            schema,
            name,
        )
        if not found:
            return None
        label, kind, rows = found[0]
        if kind != "BASE TABLE":
            raise CannotAnalyseError("it reads a view")
        table = ".".join(self.identifier(part) for part in (schema, label) if part)
        columns = self._rows(
            f"SELECT column_name, data_type FROM information_schema.columns WHERE {where} ORDER BY ordinal_position",
            schema,
            name,
        )
        self._types.update(((table, column), str(kind).lower()) for column, kind in columns)
        parts = self._rows(
            "SELECT index_name, non_unique, column_name, coalesce(cardinality, 0) FROM information_schema.statistics"
            f" WHERE {where} ORDER BY index_name, seq_in_index",
            schema,
            name,
        )
        names = tuple(row[0] for row in columns)
        return Table(table, label, names, float(rows), _distinct(parts), _existing(table, parts, self))

    def costs(self, query: Query, sets: Sequence[frozenset[Index]]) -> list[float]:
        """Likewise: about how many rows are looked at, if a candidate does what one hopes."""
        return hoped(self._scanned(query), sets)

    def _scanned(self, query: Query) -> dict[str, float]:
        """The tables that are read as a whole, and their rows."""
        text = query.template.text(lambda parameter: self._literal(query, parameter))
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN FORMAT=JSON {text}")
                plan = json.loads(cursor.fetchone()[0])
        except pymysql.Error as error:
            raise CannotAnalyseError(f"the database does not explain it (error {error.args[0]})") from None
        found = {}
        for step in _steps(plan):
            table = query.aliases.get(str(step.get("table_name")))
            if table is not None and step.get("access_type") in ("ALL", "index"):
                found[table.name] = table.rows
        return found

    def _literal(self, query: Query, parameter: Parameter) -> str:
        """A value that the column could have: plans for NULL would be empty."""
        comparison = query.comparisons.get(parameter.number)
        kind = self._types.get((comparison.table.name, comparison.column), "") if comparison else ""
        return "'2024-01-01'" if kind in _DATES else "'1'" if kind else "1"

    def size(self, index: Index) -> int | None:
        """Unknown."""
        return None

    def costs_of_values(self, query: Query, sets: Sequence[frozenset[Index]]) -> list[tuple[float, float]] | None:
        """Unknown."""
        return None

    def create(self, index: Index) -> str:
        """Likewise; in place, while others read and write."""
        keys = ", ".join(map(str, index.keys))
        return f"ALTER TABLE {index.table} ADD INDEX {index.suggested_name} ({keys}), ALGORITHM=INPLACE, LOCK=NONE;"


def _steps(plan: object) -> Iterator[dict[str, Any]]:
    """Every table that a plan reads, however deep."""
    if isinstance(plan, dict):
        if "access_type" in plan:
            yield plan
        for part in plan.values():
            yield from _steps(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from _steps(part)


def _distinct(parts: Sequence[Any]) -> dict[str, float]:
    """Distinct values of the columns that lead an index; of others nothing is known."""
    found: dict[str, float] = {}
    previous = None
    for name, _, column, cardinality in parts:
        if name != previous and column:
            found[column] = float(cardinality)
        previous = name
    return found


def _existing(table: str, parts: Sequence[Any], prover: MySQL) -> tuple[Index, ...]:
    keys: dict[str, list[Key]] = {}
    unique: dict[str, bool] = {}
    for name, non_unique, column, _ in parts:
        keys.setdefault(name, []).append(Key(prover.identifier(column), column) if column else Key("(expression)"))
        unique[name] = not non_unique
    return tuple(Index(table, tuple(found), name, unique[name]) for name, found in keys.items())
