"""Takes amounts, names and curves; answers with cells, columns, tables and charts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone

from otel_dbmon.report import wording
from otel_dbmon.report.document import Cell, Chart, Column, Line, Table
from otel_dbmon.report.model import Amount, Curve
from otel_dbmon.report.period import Period

#: Rows of a table; JSON holds the rest.
_MOST_ROWS = 20
#: Lines of a chart that an eye can tell apart, and bars that can be named.
_MOST_LINES, _MOST_BARS = 6, 8
OTHERS = "(all others)"


def name(text: str) -> Cell:
    """A name from outside."""
    return Cell(text, is_name=bool(text))


def pair(amount: Amount, say: Callable[[float | None], str], less_is_better: bool | None = True) -> tuple[Cell, Cell]:
    """An amount and how it changed."""
    return Cell(say(amount.now)), wording.change(amount, less_is_better)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], empty: str) -> Table:
    """A table of the first rows, without columns of changes where nothing could be compared.

    Args:
        title: Above it, or "".
        columns: Their titles: "" for a change, a star at the end of one that holds no numbers.
        rows: All of them, the most important first.
        empty: What is said where there are none.
    """
    shown = rows[:_MOST_ROWS]
    kept = [place for place, above in enumerate(columns) if above or any(row[place].text for row in shown)]
    return Table(
        title,
        tuple(Column(columns[place].rstrip("*"), not columns[place].endswith("*")) for place in kept),
        tuple(tuple(row[place] for place in kept) for row in shown),
        max(0, len(rows) - _MOST_ROWS),
        empty,
    )


def bars(title: str, amounts: Sequence[tuple[str, Amount]], unit: str) -> tuple[Chart, ...]:
    """A chart of the largest amounts; none of fewer than two."""
    known = [(label or OTHERS, amount) for label, amount in amounts if amount.now][:_MOST_BARS]
    if len(known) < 2:
        return ()
    lines = [Line("this period", tuple(amount.now for _, amount in known))]
    if any(amount.before for _, amount in known):
        lines.append(Line("the period before", tuple(amount.before for _, amount in known), is_faint=True))
    return (Chart(title, tuple(label for label, _ in known), tuple(lines), unit, "bar"),)


def over_time(title: str, curves: Sequence[Curve], period: Period | None, unit: str) -> tuple[Chart, ...]:
    """A chart of the first curves; where there is only one, of the period before as well. None without curves."""
    if period is None or not curves:
        return ()
    shown = curves[:_MOST_LINES]
    lines = [Line(curve.label or OTHERS, curve.now) for curve in shown]
    if len(shown) == 1 and any(value is not None for value in shown[0].before):
        lines.append(Line("the period before", shown[0].before, is_faint=True))
    title = title if len(curves) == len(shown) else f"{title} (the first {len(shown)} of {len(curves)})"
    return (Chart(title, _moments(period), tuple(lines), unit),)


def _moments(period: Period) -> tuple[str, ...]:
    """When each window ended, in UTC, as short as the period allows."""
    form = "%H:%M" if period.length_s <= 86_400 else "%b %d %H:%M" if period.window_s < 86_400 else "%b %d"
    ends = period.ends_of_windows()[period.windows :]
    return tuple(datetime.fromtimestamp(end, timezone.utc).strftime(form) for end in ends)
