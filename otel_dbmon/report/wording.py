"""Takes numbers and moments; answers how a person reads them."""

from __future__ import annotations

from datetime import datetime, timezone

from otel_dbmon.report.document import Cell
from otel_dbmon.report.model import Amount

#: A change of less is shown without a colour.
_NOTED = 0.1
_NONE = "-"
_LONG_S = ((86_400 * 365.25, "years"), (86_400, "days"), (3600, "hours"), (60, "minutes"))


def count(value: float | None) -> str:
    """How many: whole, but for less than ten of what Prometheus extrapolated."""
    if value is None:
        return _NONE
    return f"{value:.1f}" if 0 < value < 10 and abs(value - round(value)) > 0.05 else f"{value:,.0f}"


def seconds(value: float | None) -> str:
    """How long, in the unit that needs the fewest digits."""
    if value is None:
        return _NONE
    if value >= 3600:
        return f"{value / 3600:,.1f} h"
    if value >= 100:
        return f"{value:,.0f} s"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1000:.1f} ms" if value >= 0.001 else f"{value * 1e6:.0f} µs"


def share(value: float | None) -> str:
    """A part of the whole."""
    if value is None:
        return _NONE
    if 0 < value < 0.00005:
        return "< 0.01%"
    return f"{value:.2%}" if 0 < value < 0.01 else f"{value:.0%}" if value >= 0.1 or not value else f"{value:.1%}"


def probability(value: float) -> str:
    """How probable, never as nothing."""
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}"


def times(value: float) -> str:
    """How many times as much."""
    return f"x {value:,.1f}"


def ahead(value: float) -> str:
    """A time that lies ahead, roughly."""
    for size, unit in _LONG_S:
        if value >= 2 * size:
            return f"{value / size:,.0f} {unit}"
    return "minutes"


def moment(at: float) -> str:
    """A moment in UTC, to the minute."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def change(amount: Amount, less_is_better: bool | None = True) -> Cell:
    """How an amount changed.

    Args:
        amount: Of both periods.
        less_is_better: None where neither is.
    """
    grown = amount.change
    if grown is None:
        return Cell("new" if amount.now and amount.before == 0 else "")
    text = times(grown + 1) if grown >= 10 else f"{grown:+.0%}" if abs(grown) >= 0.005 else "0%"
    if less_is_better is None or abs(grown) < _NOTED:
        return Cell(text)
    return Cell(text, "worse" if (grown > 0) == less_is_better else "better")


def visible(text: str) -> str:
    """Text without characters that a reader does not see, or that turn the direction of what follows."""
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else "�" for letter in text)
