"""Queries and a prover come in, the indexes that are worth their keep for the whole workload go out.

One at a time, the index that saves most goes first, with what it costs at every write taken off; then those that the
later ones have made needless are dropped. So each that is left cuts the cost of some statement at least by half, with
all the others in place, and every column of it does: a wider index is preferred to a narrower one only if it halves
what is left once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from otel_dbmon.advise.model import (
    MAX_PER_TABLE,
    MIN_SAVING,
    CannotAnalyseError,
    Index,
    Prover,
    Query,
    Statement,
    Table,
    Unanalysed,
)

Trial = frozenset[Index]
_NOTHING: Trial = frozenset()
#: How many candidates of a table are tried together; every statement on it is planned with each of them.
_MAX_TRIALS = 16
#: Two indexes that leave about the same cost are told apart by their columns.
_SAME = 1.01


@dataclass
class Helped:
    """A statement that an index helps.

    Attributes:
        query: The statement.
        before: Its cost as things are, planned for any value.
        after: Its cost with all suggested indexes, likewise.
        spread: The least and the greatest saving over common and rare values; None if they are not skewed.
    """

    query: Query
    before: float
    after: float
    spread: tuple[float, float] | None = None


@dataclass
class Suggestion:
    """An index that would pay off.

    Attributes:
        index: What to create.
        table: What it is on.
        helped: Whom it helps, most first.
        benefit: What it saves over the whole workload, in the unit of the prover's costs.
        upkeep: What it costs at writes over the whole workload, in the same unit.
        writes: How many rows the workload writes that it would have to follow.
        size: How many bytes it would have; None if unknown.
        replaces: Existing indexes that it makes needless.
    """

    index: Index
    table: Table
    helped: list[Helped]
    benefit: float
    upkeep: float
    writes: float
    size: int | None = None
    replaces: tuple[str, ...] = ()


@dataclass
class Selection:
    """What was chosen.

    Attributes:
        suggestions: Most useful first.
        too_dear: Indexes that help, but cost more at writes than they save.
        crowded_out: Indexes that would pay off, on tables that got as many as they may already.
        unanalysed: Statements that the database would not explain.
        analysed: How many it did.
    """

    suggestions: list[Suggestion] = field(default_factory=list)
    too_dear: list[Suggestion] = field(default_factory=list)
    crowded_out: list[Suggestion] = field(default_factory=list)
    unanalysed: list[Unanalysed] = field(default_factory=list)
    analysed: int = 0


class _Cost(NamedTuple):
    """What a query costs with a set of indexes.

    Attributes:
        generic: Planned for any value.
        values: Planned for common and for rare values, where they are skewed.
    """

    generic: float
    values: tuple[float, float] | None = None

    @property
    def expected(self) -> float:
        """What is decided by: the mean of what is known, since nobody knows which values are asked for."""
        return self.generic if self.values is None else (self.generic + sum(self.values)) / (1 + len(self.values))


class _Costs:
    """What queries cost with sets of indexes; each is asked for once."""

    def __init__(self, prover: Prover) -> None:
        self._prover = prover
        self._known: dict[tuple[int, Trial], _Cost] = {}
        self._even: set[int] = set()

    def learn(self, query: Query, sets: Iterable[Trial]) -> None:
        """Ask for several at once."""
        unknown = [found for found in dict.fromkeys(_for(query, wanted) for wanted in sets) if self._miss(query, found)]
        if not unknown:
            return
        generic = self._prover.costs(query, unknown)
        values = None if id(query) in self._even else self._prover.costs_of_values(query, unknown)
        if values is None:
            self._even.add(id(query))
        for number, found in enumerate(unknown):
            self._known[id(query), found] = _Cost(generic[number], values[number] if values else None)

    def of(self, query: Query, indexes: Trial) -> _Cost:
        """What the query costs with these."""
        relevant = _for(query, indexes)
        if self._miss(query, relevant):
            self.learn(query, [relevant])
        return self._known[id(query), relevant]

    def _miss(self, query: Query, indexes: Trial) -> bool:
        return (id(query), indexes) not in self._known


def _for(query: Query, indexes: Trial) -> Trial:
    names = {table.name for table in query.tables}
    return frozenset(index for index in indexes if index.table in names)


class Selector:
    """Chooses.

    Args:
        prover: Says what queries cost.
        writes: The statements of the workload that write, analysed or not.
        min_saving: Which part of a statement's cost an index has to save.
        max_per_table: How many indexes of a table are suggested at most.
    """

    def __init__(
        self,
        prover: Prover,
        writes: Sequence[Statement],
        min_saving: float = MIN_SAVING,
        max_per_table: int = MAX_PER_TABLE,
    ) -> None:
        self._prover = prover
        self._writes = writes
        self._min_saving = min_saving
        self._max_per_table = max_per_table
        self._costs = _Costs(prover)
        self._queries: list[Query] = []
        self._tables: dict[str, Table] = {}

    def choose(self, queries: Sequence[Query]) -> Selection:
        """Choose indexes for these queries."""
        result = Selection()
        for query in queries:
            try:
                self._costs.learn(query, [_NOTHING, *query.trials])
            except CannotAnalyseError as error:
                statement = query.statement
                result.unanalysed.append(Unanalysed(statement.shown, statement.fingerprint, str(error)))
            else:
                self._queries.append(query)
                self._tables.update((table.name, table) for table in query.tables)
        result.analysed = len(self._queries)
        chosen = self._needed(self._grow(self._pool(), result))
        result.suggestions = sorted(
            (self._suggestion(index, chosen) for index in chosen),
            key=lambda suggestion: (suggestion.upkeep - suggestion.benefit, str(suggestion.index)),
        )
        return result

    def _pool(self) -> list[Trial]:
        """What helps at least one statement enough, taken for itself; of each table what saves most."""
        saved: dict[Trial, float] = {}
        for query in self._queries:
            for trial in query.trials:
                if self._saves(query, _NOTHING, trial):
                    gain = self._cost(query, _NOTHING) - self._cost(query, trial)
                    saved[trial] = saved.get(trial, 0.0) + query.statement.calls * gain
        pool: list[Trial] = []
        taken: Counter[frozenset[str]] = Counter()
        for trial in sorted(saved, key=lambda trial: (-saved[trial], _name(trial))):
            tables = frozenset(index.table for index in trial)
            taken[tables] += 1
            if taken[tables] <= _MAX_TRIALS:
                pool.append(trial)
        return pool

    def _saves(self, query: Query, without: Trial, more: Trial) -> bool:
        before, after = self._cost(query, without), self._cost(query, without | more)
        return after <= before * (1 - self._min_saving) and after < before

    def _affected(self, trial: Trial) -> list[Query]:
        names = {index.table for index in trial}
        return [query for query in self._queries if any(table.name in names for table in query.tables)]

    def _grow(self, pool: list[Trial], result: Selection) -> Trial:
        chosen = _NOTHING
        while True:
            pool = [trial for trial in pool if not trial <= chosen]
            useful = [
                trial
                for trial in pool
                if any(self._saves(query, chosen, trial) for query in self._learned(trial, chosen, pool))
            ]
            worth = {trial: self._benefit(trial, chosen) - self._upkeep(trial - chosen) for trial in useful}
            paying = [trial for trial in useful if worth[trial] > 0]
            fitting = [trial for trial in paying if self._has_room(chosen | trial)]
            if not fitting:
                result.crowded_out = self._best_of_each_table(paying, chosen)
                result.too_dear = self._best_of_each_table([trial for trial in useful if worth[trial] <= 0], chosen)
                return chosen
            best = max(fitting, key=lambda trial: (worth[trial], _name(trial)))
            chosen |= self._simplest(best, fitting, chosen)

    def _learned(self, trial: Trial, chosen: Trial, pool: list[Trial]) -> list[Query]:
        """The queries that a trial may affect, after asking for all that will be wanted of them at once."""
        queries = self._affected(trial)
        for query in queries:
            self._costs.learn(query, [chosen, *(chosen | other for other in pool)])
        return queries

    def _has_room(self, chosen: Trial) -> bool:
        tables = [index.table for index in chosen]
        return all(tables.count(table) <= self._max_per_table for table in set(tables))

    def _benefit(self, trial: Trial, chosen: Trial) -> float:
        saved = 0.0
        for query in self._affected(trial):
            before, after = self._cost(query, chosen), self._cost(query, chosen | trial)
            saved += query.statement.calls * max(0.0, before - after)
        return saved

    def _simplest(self, best: Trial, paying: list[Trial], chosen: Trial) -> Trial:
        """The best, or the beginning of it that leaves little more cost, or an equal one with more distinct values."""
        helped = [query for query in self._affected(best) if self._saves(query, chosen, best)]
        tables = {index.table for index in best}

        def left(trial: Trial) -> float:
            return sum(query.statement.calls * self._cost(query, chosen | trial) for query in helped)

        rivals = [trial for trial in paying if {index.table for index in trial} <= tables and len(trial) <= len(best)]
        while True:
            narrower = [
                trial
                for trial in rivals
                if _is_beginning(trial, best) and left(trial) <= left(best) / (1 - self._min_saving)
            ]
            if not narrower:
                break
            # Of the narrower ones the cheapest: each further column has to earn its place against it.
            best = min(narrower, key=lambda trial: (left(trial), -_width(trial), _name(trial)))
        equals = [trial for trial in rivals if _width(trial) == _width(best) and left(trial) <= left(best) * _SAME]
        return max([*equals, best], key=lambda trial: (self._distinct(trial), _name(trial)))

    def _distinct(self, trial: Trial) -> list[tuple[float, ...]]:
        return sorted(self._tables[index.table].distinct_of(index) for index in trial)

    def _needed(self, chosen: Trial) -> Trial:
        """What is left without those that the others make needless."""
        for index in sorted(chosen, key=lambda index: (len(index.keys), str(index))):
            rest = chosen - {index}
            if not any(self._saves(query, rest, frozenset({index})) for query in self._affected(frozenset({index}))):
                chosen = rest
        return chosen

    def _upkeep(self, trial: Trial) -> float:
        return sum(self._prover.write_cost * self._written(index) for index in trial)

    def _written(self, index: Index) -> float:
        """How many rows the workload writes that this index has to follow."""
        label = self._tables[index.table].label
        columns = [key.column or key.sql for key in index.keys]
        return sum(_rows_written(statement) for statement in self._writes if _concerns(statement, label, columns))

    def _best_of_each_table(self, trials: list[Trial], chosen: Trial) -> list[Suggestion]:
        found: dict[str, Suggestion] = {}
        for trial in sorted(trials, key=lambda trial: (-self._benefit(trial, chosen), _width(trial))):
            for index in sorted(trial - chosen, key=str):
                if index.table not in found:
                    found[index.table] = self._suggestion(index, chosen | trial)
        return list(found.values())

    def _cost(self, query: Query, indexes: Trial) -> float:
        return self._costs.of(query, indexes).expected

    def _helped(self, query: Query, chosen: Trial) -> Helped:
        before, after = self._costs.of(query, _NOTHING), self._costs.of(query, chosen)
        spread = None
        if before.values is not None and after.values is not None:
            savings = [max(0.0, 1 - new / old) for old, new in zip(before.values, after.values, strict=True)]
            spread = min(savings), max(savings)
        return Helped(query, before.generic, after.generic, spread)

    def _suggestion(self, index: Index, chosen: Trial) -> Suggestion:
        table = self._tables[index.table]
        rest = chosen - {index}
        helped, benefit = [], 0.0
        for query in self._affected(frozenset({index})):
            without, after = self._cost(query, rest), self._cost(query, chosen)
            benefit += query.statement.calls * max(0.0, without - after)
            if self._saves(query, rest, frozenset({index})):
                helped.append(self._helped(query, chosen))
        helped.sort(key=lambda found: -found.query.statement.calls * (found.before - found.after))
        written = self._written(index)
        return Suggestion(
            index,
            table,
            helped,
            benefit,
            self._prover.write_cost * written,
            written,
            self._prover.size(index),
            tuple(
                existing.name
                for existing in table.indexes
                if len(existing.keys) < len(index.keys) and index.starts_with(existing) and not existing.unique
            ),
        )


def _width(trial: Trial) -> int:
    return sum(len(index.keys) for index in trial)


def _is_beginning(trial: Trial, other: Trial) -> bool:
    """Whether each index of the trial is one of the other's or the beginning of one, and not all are the same."""
    return trial != other and all(any(wider.starts_with(index) for wider in other) for index in trial)


def _name(trial: Trial) -> list[str]:
    return sorted(map(str, trial))


def _rows_written(statement: Statement) -> float:
    return max(statement.calls, statement.rows or 0.0)


def _concerns(statement: Statement, label: str, columns: Sequence[str]) -> bool:
    """Whether a statement writes rows of the table that an index on these columns has to follow."""
    if not statement.tables or statement.tables[0].rpartition(".")[2].strip('"`[]').lower() != label.lower():
        return False
    if statement.operation != "UPDATE":
        return statement.operation in ("INSERT", "DELETE", "MERGE", "REPLACE")
    assigned = statement.shown.lower().partition(" where ")[0]
    # An UPDATE that leaves the columns alone leaves the index alone (PostgreSQL: heap-only tuples).
    return any(column.lower() in assigned.partition(" set ")[2] for column in columns)
