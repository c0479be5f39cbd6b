"""Connection pools: how much room they have, and when it will be used up."""

from __future__ import annotations

from otel_dbmon.report import wording
from otel_dbmon.report.document import Cell, Section
from otel_dbmon.report.model import Pool
from otel_dbmon.report.sections.cells import name, over_time, pair, table
from otel_dbmon.report.sections.context import Context

_COLUMNS = (
    "Service*",
    "Pool*",
    "Database*",
    "Limit",
    "In use at peak",
    "Of the limit",
    "",
    "Left at peak",
    "95 % waited",
    "Timeouts",
    "Full in*",
)
_MEANING = (
    "Of all processes' pools of one name, the fullest, at its fullest scrape. When it will be full is where the daily "
    "peaks of four weeks lead, or of as many days as Prometheus keeps, at least ten: the median of all slopes between "
    "two of them, after Theil and Sen, with the range of that slope (95 %). That is said only where there is a trend "
    "(Mann and Kendall), and only of a time up to ten times as far ahead as was looked back."
)
_VERDICTS = {"steady": "no trend", "shrinks": "use shrinks", "unknown": "too little known"}


def section(context: Context) -> Section:
    """The section."""
    report, whole, window = context.report, context.whole, context.window
    rows = [_row(each) for each in report.pools]
    return Section(
        "pools",
        "Connection pools and how long they last",
        _MEANING,
        (table("", _COLUMNS, rows, "No pool was seen."),),
        over_time("Peak use of a pool's limit", report.pool_use, report.period, "share"),
        questions=(
            *context.asked(
                Limit=whole.pool_limit(),
                In_use_at_peak=whole.pool_active(),
                Of_the_limit=whole.pool_peak(),
                Left_at_peak=whole.pool_left(),
                Seconds_that_95_percent_waited_at_most=whole.pool_wait(),
                Timeouts=whole.pool_timeouts(),
            ),
            *context.asked_by_window(Chart=window.pool_peak()),
        ),
    )


def _row(each: Pool) -> tuple[Cell, ...]:
    return (
        name(each.service),
        name(each.pool),
        name(each.database),
        Cell(wording.count(each.limit) if each.limit else "none"),
        Cell(wording.count(each.active.now)),
        *pair(each.peak, wording.share),
        Cell(wording.count(each.left.now), "worse" if each.left.now == 0 else ""),
        Cell(wording.seconds(each.wait_p95_s.now)),
        Cell(wording.count(each.timeouts.now), "worse" if each.timeouts.now else ""),
        _full_in(each),
    )


def _full_in(pool: Pool) -> Cell:
    found = pool.forecast
    if pool.limit is None:
        return Cell("no limit")
    if found.verdict == "full":
        return Cell("full at peak", "worse")
    if found.verdict != "grows":
        return Cell(_VERDICTS[found.verdict])
    if found.exhausted_in_s is None:
        return Cell("grows, not full in sight")
    earliest, latest = (
        "not in sight" if end is None else wording.ahead(end) for end in (found.earliest_s, found.latest_s)
    )
    return Cell(f"{wording.ahead(found.exhausted_in_s)} ({earliest} to {latest})", "worse")
