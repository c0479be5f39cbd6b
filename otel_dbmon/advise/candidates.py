"""A syntax tree and the catalog come in, out go the indexes that may help, and what each parameter is compared with.

For every table of every query block: the columns compared for equality, those compared otherwise, and those sorted by.
A candidate is a few of them in the order in which a B-tree can use them: equalities first, the most distinct one
leading, then one range or the sorting. Which of them really helps is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from otel_dbmon.advise.model import CannotAnalyseError, Comparison, Index, Key, Prover, SearchesNothingError, Table

_MAX_KEYS = 4
_MAX_CANDIDATES = 16
_RANGES = (exp.GT, exp.GTE, exp.LT, exp.LTE)
#: Conditions that a B-tree cannot serve when nobody knows the value.
_OTHER_INDEXES = {
    "Like": "LIKE with an unknown pattern uses no B-tree",
    "ILike": "ILIKE needs a trigram index (pg_trgm), which cannot be proven",
    "RegexpLike": "a regular expression needs a trigram index (pg_trgm), which cannot be proven",
    "RegexpILike": "a regular expression needs a trigram index (pg_trgm), which cannot be proven",
    "ArrayContainsAll": "@> needs a GIN index, which cannot be proven",
    "ArrayContainedBy": "<@ needs a GIN index, which cannot be proven",
    "ArrayOverlaps": "&& needs a GIN index, which cannot be proven",
    "JSONBContainsTopKey": "the operator ? needs a GIN index, which cannot be proven",
    "MatchAgainst": "@@ needs a GIN index, which cannot be proven",
}


@dataclass
class Found:
    """What a statement says of indexes.

    Attributes:
        tables: The tables of the catalog that it reads.
        trials: Sets of indexes that may help, each once.
        comparisons: What is known of the parameters, by number.
        aliases: The tables by the names that the statement gives them.
        remarks: What cannot be proven.
    """

    tables: dict[str, Table] = field(default_factory=dict)
    trials: dict[frozenset[Index], None] = field(default_factory=dict)
    comparisons: dict[int, Comparison] = field(default_factory=dict)
    aliases: dict[str, Table] = field(default_factory=dict)
    remarks: dict[str, None] = field(default_factory=dict)


@dataclass
class _Access:
    """How one query block reads one table."""

    table: Table
    equal: dict[Key, None] = field(default_factory=dict)
    ranged: dict[Key, None] = field(default_factory=dict)
    ordered: list[Key] = field(default_factory=list)


def find(tree: exp.Expr, prover: Prover) -> Found:
    """All candidates of a statement.

    Raises:
        CannotAnalyseError: It reads a table that the database does not have, or something that is no table.
    """
    found = Found()
    catalog: dict[tuple[str, str], Table] = {}
    try:
        scopes = traverse_scope(tree)
        # Where one name stands for two tables, sqlglot says so only now.
        sources = [scope.selected_sources for scope in scopes]
    except SqlglotError:
        raise CannotAnalyseError("its names are ambiguous") from None
    for selected in sources:
        for _, source in selected.values():
            if isinstance(source, exp.Table) and source.name:
                key = (source.db, source.name)
                if key not in catalog:
                    catalog[key] = _table(source, prover)
                    found.tables[catalog[key].name] = catalog[key]
    if not found.tables:
        raise SearchesNothingError("it reads no table")
    for scope in scopes:
        _Block(scope, catalog, prover, found).look()
    return found


def _table(source: exp.Table, prover: Prover) -> Table:
    schema = source.args.get("db")
    table = prover.table(_folded(schema, prover) if schema else "", _folded(source.this, prover))
    if table is None:
        raise CannotAnalyseError("the database has no such table on this role's search path, or it is out of reach")
    return table


def _folded(name: exp.Expr, prover: Prover) -> str:
    """A name as the catalog has it."""
    is_quoted = isinstance(name, exp.Identifier) and name.args.get("quoted")
    return name.name if is_quoted or prover.dialect != "postgres" else name.name.lower()


class _Block:
    """One SELECT: its tables, its conditions, its order."""

    def __init__(self, scope: Scope, catalog: dict[tuple[str, str], Table], prover: Prover, found: Found) -> None:
        self._scope = scope
        self._prover = prover
        self._found = found
        self._tables = {
            alias: catalog[(source.db, source.name)]
            for alias, (_, source) in scope.selected_sources.items()
            if isinstance(source, exp.Table) and (source.db, source.name) in catalog
        }

    def look(self) -> None:
        """Add what is found here."""
        self._found.aliases.update(self._tables)
        conditions = list(self._conditions())
        for alias, table in self._tables.items():
            access = self._access(alias, table, conditions)
            self._sorted(alias, access)
            for keys in _key_lists(access):
                self._add([(table, keys)])
            for condition in conditions:
                if isinstance(condition, exp.Or):
                    self._alternatives(alias, table, condition)
        self._remark(conditions)

    def _conditions(self) -> Iterator[exp.Expr]:
        """Every condition that must hold, one by one."""
        select = self._scope.expression
        where = select.args.get("where")
        if where is not None:
            yield from _conjuncts(where.this)
        for join in select.args.get("joins") or ():
            if (on := join.args.get("on")) is not None:
                yield from _conjuncts(on)

    def _access(self, alias: str, table: Table, conditions: Iterable[exp.Expr]) -> _Access:
        access = _Access(table)
        for condition in conditions:
            self._compare(alias, access, condition)
        for join in self._scope.expression.args.get("joins") or ():
            for name in join.args.get("using") or ():
                if (column := self._column_of(table, name)) is not None:
                    access.equal[self._key(column)] = None
        return access

    def _compare(self, alias: str, access: _Access, condition: exp.Expr) -> None:
        """Sort one condition into equalities and ranges."""
        condition = condition.unnest()
        if isinstance(condition, exp.Not):
            inner = condition.this.unnest()
            if isinstance(inner, exp.Column) and (key := self._key_side(alias, inner)):
                access.equal[key] = None
        elif isinstance(condition, exp.Column):
            if key := self._key_side(alias, condition):
                access.equal[key] = None
        elif isinstance(condition, (exp.In, exp.Is)):
            if not condition.args.get("negate") and (key := self._key_side(alias, condition.this)):
                access.equal[key] = None
                self._note(access.table, key, condition.args.get("expressions") or (), True)
        elif isinstance(condition, exp.Between):
            if key := self._key_side(alias, condition.this):
                access.ranged[key] = None
                self._note(access.table, key, (condition.args["low"], condition.args["high"]), False)
        elif isinstance(condition, (exp.EQ, *_RANGES)):
            self._compare_sides(alias, access, condition)

    def _compare_sides(self, alias: str, access: _Access, condition: exp.Expr) -> None:
        is_equality = isinstance(condition, exp.EQ)
        left, right = condition.this.unnest(), condition.expression.unnest()
        for side, other in ((left, right), (right, left)):
            if isinstance(side, exp.Tuple):
                self._compare_rows(alias, access, side, is_equality)
            elif not self._mentions(alias, other) and (key := self._key_side(alias, side)):
                (access.equal if is_equality else access.ranged)[key] = None
                self._note(access.table, key, (other,), is_equality)

    def _compare_rows(self, alias: str, access: _Access, side: exp.Tuple, is_equality: bool) -> None:
        """``(a, b) > (?, ?)``, as pages by key are fetched."""
        keys = [self._key_side(alias, item.unnest()) for item in side.expressions]
        known = [key for key in keys if key is not None]
        if len(known) != len(keys):
            return
        if is_equality:
            access.equal.update(dict.fromkeys(known))
        else:
            access.ordered = access.ordered or known

    def _note(self, table: Table, key: Key, values: Iterable[exp.Expr], is_equality: bool) -> None:
        """Remember what the parameters on the other side are compared with."""
        for value in values:
            for parameter in value.find_all(exp.Parameter, exp.Placeholder):
                number = parameter.name.lstrip("p")
                if key.column and number.isdecimal():
                    self._found.comparisons[int(number)] = Comparison(table, key.column, is_equality)

    def _key_side(self, alias: str, side: exp.Expr) -> Key | None:
        """The column, or the expression of one column, of this table that stands on one side."""
        side = side.unnest()
        if isinstance(side, exp.Column):
            column = self._own(alias, side)
            return None if column is None else self._key(column)
        columns = list(side.find_all(exp.Column))
        if len(columns) != 1 or isinstance(side, (exp.Query, exp.Subquery, exp.AggFunc)):
            return None
        if not isinstance(side, (exp.Func, exp.Cast)) or side.find(exp.Parameter, exp.Placeholder, exp.Query):
            return None
        column = self._own(alias, columns[0])
        if column is None:
            return None
        bare = side.copy()
        for inner in bare.find_all(exp.Column):
            inner.set("table", None)
            inner.set("db", None)
        text = bare.sql(dialect=self._prover.dialect, normalize_functions="lower")
        return Key(text if self._prover.dialect == "postgres" and not isinstance(bare, exp.Cast) else f"({text})")

    def _own(self, alias: str, column: exp.Column) -> str | None:
        """The name of the table's column, if it is this table's."""
        if column.table:
            return self._column_of(self._tables[alias], column.this) if column.table == alias else None
        owners = [name for name, table in self._tables.items() if self._column_of(table, column.this) is not None]
        return self._column_of(self._tables[alias], column.this) if owners[:1] == [alias] else None

    def _column_of(self, table: Table, name: exp.Expr) -> str | None:
        wished = _folded(name, self._prover)
        if wished in table.columns:
            return wished
        if self._prover.dialect == "postgres":
            return None
        return next((column for column in table.columns if column.lower() == wished.lower()), None)

    def _key(self, column: str, order: str = "") -> Key:
        return Key(self._prover.identifier(column), column, order)

    def _mentions(self, alias: str, side: exp.Expr) -> bool:
        return any(self._own(alias, column) is not None for column in side.find_all(exp.Column))

    def _sorted(self, alias: str, access: _Access) -> None:
        """The columns that rows are wanted in the order of: ORDER BY, DISTINCT, GROUP BY, or the one of min or max."""
        select = self._scope.expression
        order = select.args.get("order")
        if order is not None:
            access.ordered = self._order(alias, select, order.expressions)
            return
        group = select.args.get("group")
        if group is not None:
            access.ordered = self._leading(alias, group.expressions)
        elif len(select.expressions) == 1 and (extreme := select.find(exp.Max, exp.Min)) is not None:
            access.ordered = access.ordered or self._leading(alias, [extreme.this])

    def _leading(self, alias: str, items: Sequence[exp.Expr]) -> list[Key]:
        keys: list[Key] = []
        for item in items:
            key = self._key_side(alias, item) if isinstance(item, exp.Column) else None
            if key is None:
                break
            keys.append(key)
        return keys

    def _order(self, alias: str, select: exp.Expr, items: Sequence[exp.Expr]) -> list[Key]:
        keys: list[Key] = []
        for item in items:
            wanted = item.this.unnest()
            if isinstance(wanted, exp.Literal) and wanted.is_int and int(wanted.name) <= len(select.expressions):
                wanted = select.expressions[int(wanted.name) - 1].unalias()
            key = self._key_side(alias, wanted)
            if key is None:
                break
            keys.append(Key(key.sql, key.column, self._direction(item)))
        if keys and all(key.order == "DESC" for key in keys):
            # An index is read backwards as well.
            return [Key(key.sql, key.column) for key in keys]
        return keys

    def _direction(self, item: exp.Expr) -> str:
        direction = "DESC" if item.args.get("desc") else ""
        nulls_first = bool(item.args.get("nulls_first"))
        if self._prover.dialect != "postgres" or nulls_first == bool(direction):
            return direction
        return f"{direction} NULLS {'FIRST' if nulls_first else 'LAST'}".strip()

    def _alternatives(self, alias: str, table: Table, condition: exp.Expr) -> None:
        """``a = ? OR b = ?``: an index for each side, worth something together only."""
        chosen: list[tuple[Table, tuple[Key, ...]]] = []
        for branch in condition.unnest().flatten():
            access = self._access(alias, table, list(_conjuncts(branch)))
            lists = sorted(_key_lists(access), key=len)
            if not lists:
                return
            chosen.append((table, lists[0]))
        self._add(chosen)

    def _add(self, parts: Sequence[tuple[Table, tuple[Key, ...]]]) -> None:
        trial = self._missing(parts)
        if trial:
            self._found.trials[trial] = None

    @staticmethod
    def _missing(parts: Sequence[tuple[Table, tuple[Key, ...]]]) -> frozenset[Index]:
        """The indexes of these that do not begin an index that exists."""
        wished = [(table, Index(table.name, keys)) for table, keys in parts]
        return frozenset(
            index for table, index in wished if not any(existing.starts_with(index) for existing in table.indexes)
        )

    def _remark(self, conditions: Iterable[exp.Expr]) -> None:
        for condition in conditions:
            remark = _OTHER_INDEXES.get(type(condition.unnest()).__name__)
            if remark is not None and any(self._mentions(alias, condition) for alias in self._tables):
                self._found.remarks[remark] = None


def _conjuncts(condition: exp.Expr) -> Iterator[exp.Expr]:
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        for part in condition.flatten():
            yield from _conjuncts(part)
    else:
        yield condition


def _key_lists(access: _Access) -> list[tuple[Key, ...]]:
    """The lists of keys that may help, each once, the shortest first."""
    distinct = access.table.distinct
    # The most distinct column leads: it alone serves other statements, too.
    equal = sorted(access.equal, key=lambda key: -distinct.get(key.column, 0.0))
    fixed = {key.sql for key in equal}
    ordered = [key for key in access.ordered if key.sql not in fixed]
    lists: list[tuple[Key, ...]] = [(key,) for key in (*equal, *access.ranged)]
    lists += combinations(equal, 2)
    lists.append(tuple(equal[:_MAX_KEYS]))
    prefixes = [(), *((key,) for key in equal), tuple(equal)]
    for prefix in prefixes:
        lists += [(*prefix, key) for key in access.ranged if key not in prefix]
        if ordered:
            lists.append((*prefix, *ordered))
    unique = dict.fromkeys(keys for keys in lists if 0 < len(keys) <= _MAX_KEYS and _is_sensible(keys))
    return sorted(unique, key=len)[:_MAX_CANDIDATES]


def _is_sensible(keys: tuple[Key, ...]) -> bool:
    return len({key.sql for key in keys}) == len(keys)
