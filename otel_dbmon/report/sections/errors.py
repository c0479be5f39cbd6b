"""Errors by operation and type."""

from __future__ import annotations

from otel_dbmon.report import wording
from otel_dbmon.report.document import Cell, Section
from otel_dbmon.report.model import NOTHING_KNOWN, over
from otel_dbmon.report.questions import ERROR, SERVICE
from otel_dbmon.report.sections.cells import name, pair, table
from otel_dbmon.report.sections.context import Context

_COLUMNS = ("Service*", "Operation*", "Type*", "Errors", "", "Of the service's statements")


def section(context: Context) -> Section:
    """The section."""
    report, whole = context.report, context.whole
    tried = {each.service: each.statements for each in report.services}
    rows = [
        (
            name(each.service),
            name(each.operation),
            name(each.error_type),
            *pair(each.count, wording.count),
            Cell(wording.share(over(each.count, tried.get(each.service, NOTHING_KNOWN)).now)),
        )
        for each in report.errors
    ]
    return Section(
        "errors",
        "Errors by operation and type",
        "Statements, connections and commits that failed, by what was tried and the kind of error.",
        (table("", _COLUMNS, rows, "No error was seen."),),
        questions=context.asked(Errors=whole.errors(ERROR), Statements=whole.statements(SERVICE)),
    )
