"""Top tables: where the time goes."""

from __future__ import annotations

from otel_dbmon.report import wording
from otel_dbmon.report.document import Cell, Section
from otel_dbmon.report.model import TableUse, over
from otel_dbmon.report.questions import TABLE
from otel_dbmon.report.sections.cells import bars, name, pair, table
from otel_dbmon.report.sections.context import Context

_COLUMNS = ("Table*", "Service*", "Statements", "", "Time", "", "Share", "Mean", "", "95 % within", "")


def section(context: Context) -> Section:
    """The section."""
    report, whole = context.report, context.whole
    used = [each for each in report.tables if each.calls.now]
    total = sum(each.seconds.now or 0 for each in used)
    is_one = len({each.service for each in used}) == 1
    named = [(each.table if is_one else f"{each.service}: {each.table}", each.seconds) for each in used if each.table]
    return Section(
        "tables",
        "Top tables",
        "By the time spent on statements that name them; a statement counts for the first table that it names.",
        (table("", _COLUMNS, [_row(each, total) for each in used], "No table was seen."),),
        bars("Time by table", named, "s"),
        questions=context.asked(
            Statements=whole.statements(TABLE),
            Seconds=whole.seconds(TABLE),
            Mean_in_seconds=whole.mean(TABLE),
            Seconds_that_95_percent_stay_within=whole.quantile(TABLE),
        ),
    )


def _row(each: TableUse, total: float) -> tuple[Cell, ...]:
    return (
        name(each.table) if each.table else Cell("(no table)"),
        name(each.service),
        *pair(each.calls, wording.count, None),
        *pair(each.seconds, wording.seconds),
        Cell(wording.share((each.seconds.now or 0) / total if total else None)),
        *pair(over(each.seconds, each.calls), wording.seconds),
        *pair(each.p95_s, wording.seconds),
    )
