"""Asks PostgreSQL what a query costs with and without indexes that exist for this connection only (HypoPG).

Every question is a transaction of its own: read only, with time-outs for statements and locks, and short, so that no
lock outlives it. Nothing is created, no statement of the workload is executed: it is prepared, planned for any value
(``plan_cache_mode``), and given up. So it works on a hot standby, through a pooler, and for a role that may only read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import ExecStatus, TransactionStatus

from otel_dbmon.advise.model import AdviceError, CannotAnalyseError, Comparison, Index, Key, Query, Table
from otel_dbmon.advise.scans import hoped
from otel_dbmon.explain.template import Template, dollar
from otel_dbmon_processors.messages import safe_message

_NAME = "otel_dbmon_advise"
_TIMEOUTS = {"statement_timeout": "5s", "lock_timeout": "500ms", "idle_in_transaction_session_timeout": "30s"}
_MAX_LEAVES = 64
#: A column is skewed when its commonest value is this many times as common as a rare one.
_SKEW = 10.0

_TABLE = """
SELECT c.oid, c.oid::regclass::text, c.relname, c.relkind, greatest(c.reltuples, 0)
FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass(%s)
"""
_COLUMNS = """
SELECT a.attname, s.n_distinct, pg_catalog.quote_ident(a.attname)
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stats s
    ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname AND NOT s.inherited
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_INDEXES = """
SELECT i.indexrelid::regclass::text, i.indisvalid, i.indisunique,
    ARRAY(SELECT pg_catalog.pg_get_indexdef(i.indexrelid, k, true) FROM pg_catalog.generate_series(1, i.indnkeyatts) k),
    ARRAY(SELECT coalesce((SELECT a.attname FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = i.indrelid AND a.attnum = i.indkey[k - 1] AND a.attnum > 0), '')
        FROM pg_catalog.generate_series(1, i.indnkeyatts) k)::text[],
    ARRAY(SELECT i.indoption[k - 1] FROM pg_catalog.generate_series(1, i.indnkeyatts) k)::int[]
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = c.relam
WHERE i.indrelid = %s AND m.amname = 'btree' AND i.indpred IS NULL
"""
_VALUES = """
SELECT null_frac, n_distinct, most_common_freqs, most_common_vals::text::text[], histogram_bounds::text::text[]
FROM pg_catalog.pg_stats s, pg_catalog.pg_class c, pg_catalog.pg_namespace n
WHERE c.oid = pg_catalog.to_regclass(%s) AND n.oid = c.relnamespace
    AND s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = %s
ORDER BY s.inherited LIMIT 1
"""
#: Bits of pg_index.indoption: DESC, NULLS FIRST.
_ORDERS = {0: "", 1: "DESC NULLS LAST", 2: "NULLS FIRST", 3: "DESC"}
_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table", "S": "a sequence"}
_NO_HYPOPG = """\
HypoPG is not installed in this database. It lets PostgreSQL plan with indexes that do not exist, so that advice is
proven instead of guessed:
  Debian, Ubuntu     apt-get install postgresql-{version}-hypopg
  Red Hat (PGDG)     dnf install hypopg_{version}
  managed services   it is among the extensions that most of them offer
then once, as a superuser, on the primary:  CREATE EXTENSION hypopg;
Without it, --unproven lists candidates for tables that are read as a whole."""


def connect(url: str) -> psycopg.Connection[Any]:
    """A connection for questions.

    Raises:
        AdviceError: The server cannot be reached, or refuses us.
    """
    try:
        # Prepared statements of psycopg's own would not survive a pooler that hands out transactions.
        return psycopg.connect(
            url, autocommit=True, prepare_threshold=None, connect_timeout=10, application_name="otel-dbmon advise"
        )
    except psycopg.OperationalError as error:
        raise AdviceError(f"PostgreSQL: {said(error)}") from None
    except psycopg.ProgrammingError:
        raise AdviceError("PostgreSQL: the connection string cannot be read") from None


def said(error: psycopg.Error) -> str:
    """What the server said, without any value."""
    text = safe_message(error.diag.message_primary or str(error).strip().splitlines()[0])
    return f"{text} ({error.sqlstate})" if error.sqlstate else text


@contextmanager
def questions(connection: psycopg.Connection[Any]) -> Iterator[psycopg.Cursor[Any]]:
    """A read-only transaction with time-outs, which is rolled back whatever happens.

    Raises:
        AdviceError: The connection is lost.
    """
    try:
        cursor = connection.cursor()
        cursor.execute("BEGIN READ ONLY")
        for setting, value in _TIMEOUTS.items():
            cursor.execute(sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(setting), sql.Literal(value)))
        yield cursor
    except (psycopg.OperationalError, CannotAnalyseError):
        if connection.closed:
            raise AdviceError("the connection to PostgreSQL was lost") from None
        raise
    finally:
        if not connection.closed:
            cursor.execute("ROLLBACK")


class Postgres:
    """A prover, see :class:`otel_dbmon.advise.model.Prover`.

    Args:
        connection: Where to ask.
        unproven: Whether to go on where HypoPG is missing.
        explainer: The function that explains by another role's rights, with its schema (docs/advise.md); "" if this
            role may read the tables itself.

    Raises:
        AdviceError: HypoPG is missing.
    """

    dialect = "postgres"

    def __init__(self, connection: psycopg.Connection[Any], unproven: bool = False, explainer: str = "") -> None:
        self._connection = connection
        self._explainer = sql.Identifier(*explainer.split(".")) if explainer else None
        self._tables: dict[tuple[str, str], Table | None] = {}
        self._quoted: dict[str, str] = {}
        self._leaves: dict[str, tuple[str, ...]] = {}
        with questions(connection) as cursor:
            self._hypopg = self._schema_of_hypopg(cursor)
            row = cursor.execute("SELECT current_setting('random_page_cost')::float8").fetchone()
        self.proof = "cost" if self._hypopg else "none"
        if not self._hypopg and not unproven:
            raise AdviceError(_NO_HYPOPG.format(version=connection.info.server_version // 10000))
        # A row more in an index is a page that is looked up and written.
        self.write_cost = 2 * float(row[0] if row else 4.0)

    def close(self) -> None:
        """Ask no more."""
        self._connection.close()

    @staticmethod
    def _schema_of_hypopg(cursor: psycopg.Cursor[Any]) -> str:
        row = cursor.execute(
            "SELECT n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace"
            " WHERE e.extname = 'hypopg'"
        ).fetchone()
        return str(row[0]) if row else ""

    def identifier(self, name: str) -> str:
        """Likewise."""
        if name not in self._quoted:
            with questions(self._connection) as cursor:
                row = cursor.execute("SELECT pg_catalog.quote_ident(%s)", (name,)).fetchone()
            self._quoted[name] = str(row[0]) if row else name
        return self._quoted[name]

    def table(self, schema: str, name: str) -> Table | None:
        """Likewise."""
        key = (schema, name)
        if key not in self._tables:
            self._tables[key] = self._look_up(".".join(sql.Identifier(part).as_string() for part in key if part))
        return self._tables[key]

    def _look_up(self, path: str) -> Table | None:
        with questions(self._connection) as cursor:
            try:
                found = cursor.execute(_TABLE, (path,)).fetchone()
            except psycopg.errors.InsufficientPrivilege:
                # A schema that this role may not use.
                found = None
            if found is None:
                return None
            oid, name, label, kind, rows = found
            if kind in _KINDS:
                raise CannotAnalyseError(f"it reads {_KINDS[kind]}")
            if kind == "p":
                self._leaves[name], rows = self._partitions(cursor, oid)
            columns = cursor.execute(_COLUMNS, (oid,)).fetchall()
            indexes = cursor.execute(_INDEXES, (oid,)).fetchall()
        distinct = {column: _count(estimate, rows) for column, estimate, _ in columns if estimate is not None}
        self._quoted.update((column, quoted) for column, _, quoted in columns)
        return Table(
            name,
            label,
            tuple(column for column, *_ in columns),
            float(rows),
            distinct,
            tuple(_existing(name, row) for row in indexes if row[1]),
        )

    @staticmethod
    def _partitions(cursor: psycopg.Cursor[Any], oid: int) -> tuple[tuple[str, ...], float]:
        rows = cursor.execute(
            "SELECT c.oid::regclass::text, greatest(c.reltuples, 0) FROM pg_catalog.pg_partition_tree(%s) t"
            " JOIN pg_catalog.pg_class c ON c.oid = t.relid WHERE t.isleaf AND c.relkind = 'r'",
            (oid,),
        ).fetchall()
        if len(rows) > _MAX_LEAVES:
            raise CannotAnalyseError(f"it reads a table of more than {_MAX_LEAVES} partitions")
        return tuple(row[0] for row in rows), sum(row[1] for row in rows)

    def costs(self, query: Query, sets: Sequence[frozenset[Index]]) -> list[float]:
        """Likewise."""
        if not self._hypopg:
            return hoped(self._scanned(query), sets)
        with self._prepared(query) as cursor:
            return [self._cost(cursor, query.template, indexes) for indexes in sets]

    @contextmanager
    def _prepared(self, query: Query) -> Iterator[psycopg.Cursor[Any]]:
        with questions(self._connection) as cursor:
            cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            try:
                self._prepare(cursor, query.template)
            except psycopg.Error as error:
                raise CannotAnalyseError(said(error)) from None
            try:
                yield cursor
            finally:
                self._forget(cursor)

    def _scanned(self, query: Query) -> dict[str, float]:
        """The tables that are read as a whole, and their rows."""
        with self._prepared(query) as cursor:
            try:
                plan = self._plan(cursor, query.template)
            except psycopg.Error as error:
                raise CannotAnalyseError(said(error)) from None
        found = {}
        for node in _nodes(plan):
            table = query.aliases.get(str(node.get("Alias")))
            if table is not None and node.get("Node Type") == "Seq Scan":
                found[table.name] = table.rows
        return found

    def _plan(self, cursor: psycopg.Cursor[Any], template: Template) -> dict[str, Any]:
        if self._explainer is not None:
            cursor.execute(sql.SQL("SELECT {}({})").format(self._explainer, sql.Literal(template.parameters)))
            return _root(cursor.fetchone())
        nulls = ", ".join(["NULL"] * template.parameters)
        cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE {_NAME}" + (f"({nulls})" if nulls else ""))
        return _root(cursor.fetchone())

    @staticmethod
    def _prepare(cursor: psycopg.Cursor[Any], template: Template) -> None:
        text = f"PREPARE {_NAME} AS {template.text(dollar)}".replace("%", "%%")
        # With parameters, be they none, the server takes one statement and no more.
        cursor.execute(text.encode(), ())

    def _forget(self, cursor: psycopg.Cursor[Any]) -> None:
        # Neither is undone by the end of a transaction.
        if cursor.connection.closed:
            return
        if cursor.connection.info.transaction_status == TransactionStatus.INERROR:
            cursor.execute("ROLLBACK")
        cursor.execute(f"DEALLOCATE {_NAME}")
        if self._hypopg:
            self._call(cursor, "SELECT {}.hypopg_reset()")

    def _call(self, cursor: psycopg.Cursor[Any], text: str, *arguments: str) -> Any:
        # With the schema: nobody's function of the same name shall be called.
        return cursor.execute(sql.SQL(text).format(sql.Identifier(self._hypopg)), arguments or None)

    def _cost(self, cursor: psycopg.Cursor[Any], template: Template, indexes: frozenset[Index]) -> float:
        """The cost for any value."""

        def explain() -> dict[str, Any]:
            cursor.execute("DISCARD PLANS")
            return self._plan(cursor, template)

        return self._with(cursor, indexes, explain)

    def _with(
        self, cursor: psycopg.Cursor[Any], indexes: frozenset[Index], explain: Callable[[], dict[str, Any]]
    ) -> float:
        """The cost of a plan while these indexes are supposed to exist; infinite if they can't be created."""
        cursor.execute(f"SAVEPOINT {_NAME}")
        try:
            self._suppose(cursor, indexes)
            cost = float(explain()["Total Cost"])
        except psycopg.Error as error:
            if self._connection.closed:
                raise
            cursor.execute(f"ROLLBACK TO SAVEPOINT {_NAME}")
            if not indexes:
                raise CannotAnalyseError(said(error)) from None
            # No B-tree on this type, or an expression that is not immutable.
            return math.inf
        cursor.execute(f"RELEASE SAVEPOINT {_NAME}")
        return cost

    def _suppose(self, cursor: psycopg.Cursor[Any], indexes: frozenset[Index]) -> None:
        """Let exactly these indexes exist, for this connection."""
        if self._hypopg:
            self._call(cursor, "SELECT {}.hypopg_reset()")
        for index in sorted(indexes, key=str):
            for table in self._leaves.get(index.table, (index.table,)):
                text = f"CREATE INDEX ON {table} ({', '.join(map(str, index.keys))})"
                self._call(cursor, "SELECT {}.hypopg_create_index(%s)", text)

    def size(self, index: Index) -> int | None:
        """Likewise."""
        if not self._hypopg:
            return None
        with questions(self._connection) as cursor:
            try:
                self._suppose(cursor, frozenset({index}))
                row = self._call(
                    cursor,
                    "SELECT sum({0}.hypopg_relation_size(indexrelid))::bigint FROM {0}.hypopg_list_indexes",
                ).fetchone()
                self._call(cursor, "SELECT {}.hypopg_reset()")
            except psycopg.Error:
                return None
        return int(row[0]) if row and row[0] is not None else None

    def costs_of_values(self, query: Query, sets: Sequence[frozenset[Index]]) -> list[tuple[float, float]] | None:
        """Likewise."""
        if not self._hypopg or self._explainer is not None:
            return None
        with questions(self._connection) as cursor:
            values = self._skewed_values(cursor, query)
            if values is None:
                return None
            try:
                return [
                    (
                        self._cost_of(cursor, query, [value.common for value in values], indexes),
                        self._cost_of(cursor, query, [value.rare for value in values], indexes),
                    )
                    for indexes in sets
                ]
            except CannotAnalyseError:
                # A value does not fit what the parameter is taken for.
                return None
            finally:
                if not cursor.connection.closed:
                    self._call(cursor, "SELECT {}.hypopg_reset()")

    @staticmethod
    def _skewed_values(cursor: psycopg.Cursor[Any], query: Query) -> list[_Values] | None:
        """A common and a rare value for each parameter, if all are known and one that an index may help is skewed."""
        keys = {(index.table, key.column) for trial in query.trials for index in trial for key in index.keys}
        found: list[_Values] = []
        is_skewed = False
        for number in range(1, query.template.parameters + 1):
            comparison = query.comparisons.get(number)
            values = None if comparison is None else _Values.of(cursor, comparison)
            if comparison is None or values is None:
                return None
            is_skewed |= values.is_skewed and (comparison.table.name, comparison.column) in keys
            found.append(values)
        return found if is_skewed else None

    def _cost_of(
        self, cursor: psycopg.Cursor[Any], query: Query, values: Sequence[str], indexes: frozenset[Index]
    ) -> float:
        """The cost for certain values. They are bound, so that no statistics of the server's hold them."""

        def explain() -> dict[str, Any]:
            text = f"EXPLAIN (FORMAT JSON) {query.template.text(dollar)}"
            result = self._connection.pgconn.exec_params(text.encode(), [value.encode() for value in values])
            plan = result.get_value(0, 0) if result.status == ExecStatus.TUPLES_OK else None
            if plan is None:
                raise psycopg.DataError("no plan")
            return _root((json.loads(plan),))

        return self._with(cursor, indexes, explain)

    def create(self, index: Index) -> str:
        """Likewise."""
        keys = ", ".join(map(str, index.keys))
        # A partitioned table takes no CONCURRENTLY.
        how = "" if index.table in self._leaves else "CONCURRENTLY "
        return f"CREATE INDEX {how}ON {index.table} ({keys});"


class _Values:
    """Values of one column by how common they are, as text; they go back to their server and nowhere else."""

    def __init__(self, common: str, rare: str, ratio: float) -> None:
        self.common, self.rare = common, rare
        self.is_skewed = ratio >= _SKEW

    @classmethod
    def of(cls, cursor: psycopg.Cursor[Any], comparison: Comparison) -> _Values | None:
        """From the statistics; None if there are none, or if they are not for this role."""
        row = cursor.execute(_VALUES, (comparison.table.name, comparison.column)).fetchone()
        if row is None:
            return None
        nulls, estimate, frequencies, common, bounds = row
        middle = bounds[len(bounds) // 2] if bounds else None
        if not comparison.is_equality:
            value = middle or (common[0] if common else None)
            return None if value is None else cls(value, value, 1.0)
        if not common:
            return None if middle is None else cls(middle, middle, 1.0)
        others = _count(estimate, comparison.table.rows) - len(common)
        if middle is None or others < 1:
            return cls(common[0], common[-1], frequencies[0] / max(frequencies[-1], 1e-9))
        rest = max(1 - nulls - sum(frequencies), 1e-9) / others
        return cls(common[0], middle, frequencies[0] / rest)


def _root(row: Any) -> dict[str, Any]:
    root: dict[str, Any] = row[0][0]["Plan"]
    return root


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def _count(estimate: float, rows: float) -> float:
    """pg_stats.n_distinct as a number of values: a negative one is a share of the rows."""
    return estimate if estimate >= 0 else -estimate * rows


def _existing(table: str, row: Any) -> Index:
    name, _, is_unique, definitions, columns, options = row
    keys = tuple(
        Key(definition, column, _ORDERS[option & 3])
        for definition, column, option in zip(definitions, columns, options, strict=True)
    )
    return Index(table, keys, name, is_unique)
