"""Index advice: what the advisor found worth its upkeep."""

from __future__ import annotations

from otel_dbmon.report import wording
from otel_dbmon.report.document import Cell, Section
from otel_dbmon.report.model import Advised
from otel_dbmon.report.sections.cells import name, table
from otel_dbmon.report.sections.context import Context

_PROOFS = {"cost": "by the planner's cost", "plan": "planner would use it", "none": "none"}
_ADVISED = ("Table*", "Index*", "Services*", "Statements helped", "Saves up to", "Proof*")
_NO_ADVICE = "Give what `otel-dbmon advise --format json` answered (--advice FILE) to see the indexes themselves."


def section(context: Context) -> Section:
    """The section."""
    report = context.report
    suggested = [(name(each.service), name(each.table), Cell(wording.count(each.indexes))) for each in report.suggested]
    tables, note = [], _NO_ADVICE
    if report.advice_from:
        tables.append(table("", _ADVISED, [_row(each) for each in report.advised], "No index would pay off."))
        note = f"Indexes come from {report.advice_from}."
    if suggested or not tables:
        empty = "No suggestion is known; `otel-dbmon advise --watch` publishes them."
        title = "As the advisor's metric last said" if tables else ""
        tables.append(table(title, ("Service*", "Table*", "Indexes"), suggested, empty))
    return Section(
        "indexes",
        "Index advice",
        "Indexes that the advisor found worth their upkeep.",
        tuple(tables),
        notes=(note,),
        questions=context.asked(Indexes=context.whole.suggestions()),
    )


def _row(each: Advised) -> tuple[Cell, ...]:
    return (
        name(each.table),
        name(each.create),
        name(", ".join(each.services)),
        Cell(f"{each.statements:,}"),
        Cell(wording.share(each.saving)),
        Cell(_PROOFS.get(each.proof, each.proof)),
    )
