"""N+1 patterns, and the lines of code that they come from where anybody says."""

from __future__ import annotations

from otel_dbmon.report import wording
from otel_dbmon.report.document import Cell, Section
from otel_dbmon.report.model import Place
from otel_dbmon.report.questions import TABLE
from otel_dbmon.report.sections.cells import name, pair, table
from otel_dbmon.report.sections.context import Context

_NO_LINES = (
    "Metrics name no lines. Give spans to see them (--spans FILE, OTLP JSON lines), or look for the log events of "
    "findings, which name them."
)
_PLACES = ("Found*", "Service*", "Line*", "Function*", "Statement*", "Times")


def section(context: Context) -> Section:
    """The section."""
    report = context.report
    rows = [(name(each.service), name(each.table), *pair(each.count, wording.count)) for each in report.n_plus_one]
    tables = [table("", ("Service*", "Table*", "Found", ""), rows, "No N+1 pattern was found.")]
    note = _NO_LINES
    if report.lines_from:
        places = [_place(each) for each in report.places]
        tables.append(table("Where in the code, slow statements too", _PLACES, places, "No span names a line."))
        note = f"Lines come from {report.lines_from}, which may be of another time than the numbers above."
    return Section(
        "n-plus-one",
        "N+1 patterns",
        "One request repeats a statement for each row of another one; a join or an IN list asks once.",
        tuple(tables),
        notes=(note,),
        questions=context.asked(Found=context.whole.n_plus_one(TABLE)),
    )


def _place(each: Place) -> tuple[Cell, ...]:
    names = (each.service, each.place, each.function, each.summary)
    return (Cell(each.kind), *map(name, names), Cell(f"{each.times:,}"))
