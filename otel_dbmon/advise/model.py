"""What the advisor's rooms hand each other: statements, tables, indexes, and why something could not be analysed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from otel_dbmon.explain.template import Template

#: A statement with fewer saved is no reason for an index.
MIN_SAVING = 0.5
MAX_PER_TABLE = 3
_LONGEST_NAME = 63


class CannotAnalyseError(Exception):
    """Why a statement cannot be analysed, in words for a person and without any value of the statement's."""


class SearchesNothingError(CannotAnalyseError):
    """The statement is none that an index could help."""


class AdviceError(Exception):
    """Why there is no advice at all, in words for a person."""


@dataclass(frozen=True)
class Statement:
    """One pattern of the workload.

    Attributes:
        text: What was sent, or what is left of it without its literals; never shown.
        shown: The sanitized text.
        fingerprint: The pattern's name.
        operation: Its first operation, in upper case.
        tables: The tables it names, as written.
        calls: How often it ran.
        total_ms: How long all calls took; None if unknown.
        rows: How many rows all calls returned or changed; None if unknown.
        services: Who sends it, as far as that is known.
    """

    text: str = field(repr=False)
    shown: str
    fingerprint: str
    operation: str
    tables: tuple[str, ...]
    calls: float = 1.0
    total_ms: float | None = None
    rows: float | None = None
    services: tuple[str, ...] = ()

    def plus(self, other: Statement) -> Statement:
        """Both as one: the same pattern was seen twice."""
        return replace(
            self,
            calls=self.calls + other.calls,
            total_ms=_sum(self.total_ms, other.total_ms),
            rows=_sum(self.rows, other.rows),
            services=tuple(sorted({*self.services, *other.services})),
        )


def _sum(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else one + other


@dataclass(frozen=True)
class Unanalysed:
    """A statement about which nothing is said, and why."""

    shown: str
    fingerprint: str
    reason: str


@dataclass(frozen=True)
class Key:
    """One column, or one expression, of an index.

    Attributes:
        sql: As it stands in the statement that creates the index, quoted where need be.
        column: The column's name; "" for an expression.
        order: "" or what follows the key, as ``DESC``.
    """

    sql: str
    column: str = ""
    order: str = ""

    def __str__(self) -> str:
        return f"{self.sql} {self.order}".rstrip()


@dataclass(frozen=True)
class Index:
    """An index that does not exist (yet), or one that does.

    Attributes:
        table: The table's name in the catalog, quoted and with its schema where need be.
        keys: What it is on, in order.
        name: Its name, if it exists.
        unique: Whether it exists and forbids something.
    """

    table: str
    keys: tuple[Key, ...]
    name: str = field(default="", compare=False)
    unique: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return f"{self.table} ({', '.join(map(str, self.keys))})"

    @property
    def suggested_name(self) -> str:
        """A name for it, for databases that want one."""
        words = [self.table, *(key.column or key.sql for key in self.keys), "idx"]
        return re.sub(r"\W+", "_", "_".join(words)).strip("_").lower()[:_LONGEST_NAME]

    def starts_with(self, other: Index) -> bool:
        """Whether whatever the other one can find, this one can find too."""
        mine, theirs = self.keys[: len(other.keys)], other.keys
        return self.table == other.table and (mine == theirs or mine == _reversed(theirs))


def _reversed(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    # An index is read backwards as well as forwards.
    opposite = {"": "DESC", "DESC": ""}
    return tuple(replace(key, order=opposite.get(key.order, key.order)) for key in keys)


@dataclass(frozen=True)
class Table:
    """What the catalog says of a table.

    Attributes:
        name: Quoted, with its schema where need be.
        label: Its plain name, as metrics name it.
        columns: The columns' names, in order.
        rows: How many rows it has, about.
        distinct: How many values a column has, about; columns without statistics are missing.
        indexes: The indexes that exist and can be used for any row.
    """

    name: str
    label: str
    columns: tuple[str, ...]
    rows: float
    distinct: Mapping[str, float] = field(default_factory=dict, hash=False, compare=False)
    indexes: tuple[Index, ...] = field(default=(), compare=False)

    def distinct_of(self, index: Index) -> tuple[float, ...]:
        """How many values each key has; an expression's are taken for its column's."""
        return tuple(self.distinct.get(key.column, 0.0) for key in index.keys)


@dataclass(frozen=True)
class Comparison:
    """What a parameter is compared with."""

    table: Table
    column: str
    is_equality: bool


@dataclass(frozen=True)
class Query:
    """The reading part of a statement, ready to be explained.

    Attributes:
        statement: Where it comes from.
        template: Its text.
        tables: The tables of the catalog that it reads.
        trials: What may help: each a set of indexes that belong together.
        comparisons: What is known of its parameters, by number.
        aliases: The tables by the names that a plan gives them.
        remarks: What could help and cannot be proven.
    """

    statement: Statement
    template: Template
    tables: tuple[Table, ...]
    trials: tuple[frozenset[Index], ...]
    comparisons: Mapping[int, Comparison]
    aliases: Mapping[str, Table] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


class Prover(Protocol):
    """A database that says what a query costs, with and without indexes that do not exist.

    Attributes:
        dialect: Whose SQL it speaks, as sqlglot calls it.
        proof: How far its word goes: ``cost`` (the planner's own estimate with the index), ``plan`` (the planner would
            use the index), ``none``.
        write_cost: What one more index costs per row written, in the unit of ``costs``.
    """

    dialect: str
    proof: str
    write_cost: float

    def table(self, schema: str, name: str) -> Table | None:
        """What the catalog says; None if there is no such table.

        Raises:
            CannotAnalyseError: There is something of that name, and it is no table that could have an index.
        """

    def identifier(self, name: str) -> str:
        """The name as it stands in SQL."""

    def costs(self, query: Query, sets: Sequence[frozenset[Index]]) -> list[float]:
        """What the query costs with each of these sets of indexes.

        Raises:
            CannotAnalyseError: The database does not explain it. A set that cannot be created costs ``math.inf``.
        """

    def size(self, index: Index) -> int | None:
        """How many bytes the index would have, about."""

    def costs_of_values(self, query: Query, sets: Sequence[frozenset[Index]]) -> list[tuple[float, float]] | None:
        """The same for common and for rare values; None where values are not skewed, or nothing is known of them."""

    def close(self) -> None:
        """Ask no more."""

    def create(self, index: Index) -> str:
        """The statement that creates the index, for a person to run."""
