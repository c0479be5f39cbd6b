"""What changed for the worse: patterns that became slower beyond chance, and those that are new."""

from __future__ import annotations

from otel_dbmon.report import wording
from otel_dbmon.report.document import Cell, Section, Table
from otel_dbmon.report.model import Changed, Changes, over
from otel_dbmon.report.regression import FALSE_DISCOVERIES, FEWEST_CALLS, FEWEST_PAIRS, LEAST_GROWTH
from otel_dbmon.report.sections.cells import name, table
from otel_dbmon.report.sections.context import Context

_MEANING = (
    "Query patterns whose mean duration grew beyond what chance does to it. Each window of the period is compared with "
    "the one a whole period earlier: Student's t test on the logarithms of their ratios, where windows that are like "
    "their neighbours count as one witness only. p is how probable such a difference is if nothing changed; q corrects "
    "it for the number of patterns (Benjamini and Hochberg): it is the share of false alarms among all up to this one, "
    f"at most {FALSE_DISCOVERIES:.0%}. Only a growth of at least {LEAST_GROWTH:.0%} is told, of the typical window and "
    "of the mean of all calls. Extra time is what the calls would have saved at the speed of before."
)


def section(context: Context) -> Section:
    """The section."""
    changes = context.report.changes
    tables = [_slower(context)]
    if context.is_compared:
        tables.append(_appeared(changes))
    whole, window = context.whole, context.window
    return Section(
        "worse",
        "What changed for the worse",
        _MEANING,
        tuple(tables),
        notes=(_told_of(changes),) if context.is_compared else (),
        questions=(
            *context.asked(Calls_in_all=whole.pattern_calls(), Seconds_in_all=whole.pattern_seconds()),
            *context.asked_by_window(
                Calls_by_window=window.pattern_calls(), Seconds_by_window=window.pattern_seconds()
            ),
        ),
    )


def _slower(context: Context) -> Table:
    columns = ("Service*", "Pattern*", "Fingerprint*", "Mean before", "Now", "Change", "Extra time", "p", "q")
    return table("", columns, [_row(found) for found in context.report.changes.slower], _empty(context))


def _row(found: Changed) -> tuple[Cell, ...]:
    pattern = found.pattern
    mean = over(pattern.seconds, pattern.calls)
    return (
        name(pattern.service),
        name(pattern.summary),
        name(pattern.fingerprint),
        Cell(wording.seconds(mean.before)),
        Cell(wording.seconds(mean.now)),
        Cell(wording.times(found.ratio), "worse"),
        Cell(wording.seconds(found.extra_s)),
        Cell(wording.probability(found.p_value)),
        Cell(wording.probability(found.q_value)),
    )


def _empty(context: Context) -> str:
    if context.report.period is None:
        return "This needs a Prometheus: one scrape knows nothing of an earlier time."
    if not context.is_compared:
        return "There is no period before to compare with yet."
    return f"No pattern became slower; {context.report.changes.tested:,} were compared."


def _appeared(changes: Changes) -> Table:
    rows = [
        (
            name(each.service),
            name(each.summary),
            name(each.fingerprint),
            Cell(wording.count(each.calls.now)),
            Cell(wording.seconds(each.seconds.now)),
            Cell(wording.seconds(over(each.seconds, each.calls).now)),
        )
        for each in changes.appeared
    ]
    title = "New patterns, which the period before did not have among the costliest"
    return table(title, ("Service*", "Pattern*", "Fingerprint*", "Calls", "Time", "Mean"), rows, "None.")


def _told_of(changes: Changes) -> str:
    return (
        f"{changes.tested:,} patterns were compared; {changes.untested:,} ran too rarely to be (fewer than "
        f"{FEWEST_CALLS} calls in a period, or than {FEWEST_PAIRS} windows with calls in both). {changes.faster:,} "
        "became faster."
    )
