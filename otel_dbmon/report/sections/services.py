"""Trends by service: how much each asked of its databases, and how fast they answered."""

from __future__ import annotations

from otel_dbmon.report import wording
from otel_dbmon.report.document import Cell, Section
from otel_dbmon.report.model import Service, over
from otel_dbmon.report.questions import SERVICE
from otel_dbmon.report.sections.cells import name, over_time, pair, table
from otel_dbmon.report.sections.context import Context

_COLUMNS = ("Service*", "Statements", "", "Mean", "", "95 % within", "", "Errors", "", "Slow", "")


def section(context: Context) -> Section:
    """The section."""
    report, whole, window = context.report, context.whole, context.window
    return Section(
        "services",
        "Trends by service",
        "How much each service asked of its databases, and how fast they answered.",
        (table("", _COLUMNS, [_row(each) for each in report.services], "No statement was seen."),),
        (
            *over_time("Statements per second", report.load, report.period, "number"),
            *over_time("Mean duration", report.latency, report.period, "s"),
        ),
        questions=(
            *context.asked(
                Statements=whole.statements(SERVICE),
                Mean_in_seconds=whole.mean(SERVICE),
                Seconds_that_95_percent_stay_within=whole.quantile(SERVICE),
                Errors=whole.errors(SERVICE),
                Slow=whole.slow(SERVICE),
            ),
            *context.asked_by_window(
                Chart_of_statements=window.per_second(SERVICE), Chart_of_the_mean=window.mean(SERVICE)
            ),
        ),
    )


def _row(each: Service) -> tuple[Cell, ...]:
    return (
        name(each.service),
        *pair(each.statements, wording.count, None),
        *pair(over(each.seconds, each.statements), wording.seconds),
        *pair(each.p95_s, wording.seconds),
        *pair(each.errors, wording.count),
        *pair(each.slow, wording.count),
    )
