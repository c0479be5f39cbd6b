"""Slow query patterns: what the databases spent their time on, and what took too long."""

from __future__ import annotations

from otel_dbmon.report import wording
from otel_dbmon.report.document import Cell, Section
from otel_dbmon.report.model import Pattern, over
from otel_dbmon.report.questions import STATEMENT
from otel_dbmon.report.sections.cells import OTHERS, bars, name, pair, table
from otel_dbmon.report.sections.context import Context

_COLUMNS = ("Service*", "Pattern*", "Fingerprint*", "Calls", "", "Time", "", "Share", "Mean", "")


def section(context: Context) -> Section:
    """The section."""
    report, whole = context.report, context.whole
    ran = [each for each in report.patterns if each.calls.now]
    total = sum(each.seconds.now or 0 for each in ran)
    slow = [
        (name(each.service), name(each.operation), name(each.table), *pair(each.count, wording.count))
        for each in report.slow
    ]
    columns = ("Service*", "Operation*", "Table*", "Slow", "")
    return Section(
        "patterns",
        "Slow query patterns",
        "Statements of one shape, whatever their values; those on which the databases spent the most time come first. "
        "The fingerprint finds their spans, and with them their text.",
        (
            table("", _COLUMNS, [_row(each, total) for each in ran], "No pattern was seen."),
            table("Statements over their service's threshold", columns, slow, "No statement was slow."),
        ),
        bars("Time by pattern", [(each.summary, each.seconds) for each in ran], "s"),
        questions=context.asked(
            Calls=whole.pattern_calls(), Seconds=whole.pattern_seconds(), Slow_statements=whole.slow(STATEMENT)
        ),
    )


def _row(each: Pattern, total: float) -> tuple[Cell, ...]:
    return (
        name(each.service),
        name(each.summary) if each.summary else Cell(OTHERS),
        name(each.fingerprint),
        *pair(each.calls, wording.count, None),
        *pair(each.seconds, wording.seconds),
        Cell(wording.share((each.seconds.now or 0) / total if total else None)),
        *pair(over(each.seconds, each.calls), wording.seconds),
    )
