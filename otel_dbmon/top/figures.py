"""Numbers come in, a few characters that a person reads at a glance go out."""

from __future__ import annotations

import math
from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"
#: For what is not known, and for what has nothing to say.
NOTHING = "-"


def rate(value: float) -> str:
    """A number per second: ``5,012``, ``9.4``, ``0.42``."""
    if math.isnan(value):
        return NOTHING
    if value == 0:
        return "0"
    if value < 0.01:
        return "<0.01"
    if value < 1:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 9.95 else f"{value:,.0f}"


def duration(seconds: float) -> str:
    """A time: ``85 us``, ``1.2 ms``, ``340 ms``, ``2.1 s``."""
    if math.isnan(seconds):
        return NOTHING
    if seconds <= 0:
        return "0"
    for factor, unit in ((1e6, "us"), (1e3, "ms")):
        value = seconds * factor
        if value < 999.5:
            return f"{_short(value)} {unit}"
    return f"{_short(seconds)} s"


def percentile(seconds: float, finest: float) -> str:
    """A time out of a histogram; of what is in the lowest bucket no more is known than its bound, in seconds."""
    return f"<{duration(finest)}" if seconds < finest else duration(seconds)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}".removesuffix(".0")


def age(seconds: float) -> str:
    """How long ago: ``12 s``, ``3 min``, ``2 h``."""
    if seconds < 100:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"


def sparkline(values: Sequence[float], width: int) -> str:
    """The newest values as bars, the highest of them as the full one; what is not known is a gap."""
    shown = [*values][-width:] if width > 0 else []
    known = [value for value in shown if not math.isnan(value)]
    top = max(known, default=0.0)
    return "".join([_bar(value, top) for value in shown]).rjust(width)


def _bar(value: float, top: float) -> str:
    if math.isnan(value):
        return " "
    return _BARS[min(int(value / top * len(_BARS)), len(_BARS) - 1)] if top > 0 else _BARS[0]
