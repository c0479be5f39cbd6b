"""A workload and a prover come in, the whole advice goes out: what to create, and what nothing can be said of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from otel_dbmon.advise.candidates import find
from otel_dbmon.advise.model import (
    MAX_PER_TABLE,
    MIN_SAVING,
    AdviceError,
    CannotAnalyseError,
    Prover,
    Query,
    SearchesNothingError,
    Statement,
    Unanalysed,
)
from otel_dbmon.advise.reading import read
from otel_dbmon.advise.selection import Selector, Suggestion

_WRITERS = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"})


@dataclass
class Advice:
    """What the advisor has to say.

    Attributes:
        proof: How far it is proven, see :class:`otel_dbmon.advise.model.Prover`.
        suggestions: Indexes that would pay off, the most useful first.
        too_dear: Indexes that help, but cost more at writes than they save.
        crowded_out: Indexes that would pay off, on tables that got as many as they may already.
        unanalysed: Statements about which nothing is said.
        remarks: What could help and is not suggested, and why.
        analysed: How many statements were analysed.
        searching_nothing: How many search no table: inserts, transactions, definitions.
        left_out: How many were not looked at, because they took less time than the others.
    """

    proof: str
    suggestions: list[Suggestion] = field(default_factory=list)
    too_dear: list[Suggestion] = field(default_factory=list)
    crowded_out: list[Suggestion] = field(default_factory=list)
    unanalysed: list[Unanalysed] = field(default_factory=list)
    remarks: list[Unanalysed] = field(default_factory=list)
    analysed: int = 0
    searching_nothing: int = 0
    left_out: int = 0


def advise(
    workload: Sequence[Statement],
    prover: Prover,
    limit: int = 100,
    min_saving: float = MIN_SAVING,
    max_per_table: int = MAX_PER_TABLE,
) -> Advice:
    """Look for indexes.

    Args:
        workload: All statements, the worst first.
        prover: The database.
        limit: How many of those that search are looked at; what all of them write counts.
        min_saving: Which part of a statement's cost an index has to save.
        max_per_table: How many indexes of a table are suggested at most.
    """
    advice = Advice(prover.proof)
    queries: list[Query] = []
    for statement in workload:
        if len(queries) >= limit:
            advice.left_out += 1
            continue
        try:
            queries.append(_query(statement, prover))
        except AdviceError:
            raise
        except SearchesNothingError:
            advice.searching_nothing += 1
        except CannotAnalyseError as error:
            advice.unanalysed.append(Unanalysed(statement.shown, statement.fingerprint, str(error)))
        except Exception as error:  # noqa: BLE001 - one odd statement shall not cost the advice on all the others
            reason = f"the analysis failed ({type(error).__name__})"
            advice.unanalysed.append(Unanalysed(statement.shown, statement.fingerprint, reason))
    writes = [statement for statement in workload if statement.operation in _WRITERS]
    selection = Selector(prover, writes, min_saving, max_per_table).choose(queries)
    advice.suggestions = selection.suggestions
    advice.too_dear, advice.crowded_out = selection.too_dear, selection.crowded_out
    advice.unanalysed += selection.unanalysed
    advice.analysed = selection.analysed
    advice.remarks = [
        Unanalysed(query.statement.shown, query.statement.fingerprint, remark)
        for query in queries
        for remark in query.remarks
    ]
    return advice


def _query(statement: Statement, prover: Prover) -> Query:
    template, tree = read(statement, prover.dialect)
    found = find(tree, prover)
    return Query(
        statement,
        template,
        tuple(found.tables.values()),
        tuple(found.trials),
        found.comparisons,
        found.aliases,
        tuple(found.remarks),
    )
