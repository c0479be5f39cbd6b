"""Takes how long a period is and when it ends; answers with its windows, those of the period before included."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timezone

from otel_dbmon.querying.promql import seconds_in

#: Shortest period: less leaves no room for windows that hold a few scrapes each.
SHORTEST_S = 3600
LONGEST_S = 366 * 86_400
#: Lengths a window may have: whole parts of a day, so that charts are read without arithmetic.
_STEPS_S = (300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 14_400, 21_600, 28_800, 43_200, 86_400)
_FEWEST_WINDOWS, _USUAL_WINDOWS, _MOST_WINDOWS = 20, 24, 40
_DAY_S = 86_400


@dataclass(frozen=True)
class Period:
    """A time that is reported on, and the one of the same length before it.

    Attributes:
        end: When it ends, in seconds since 1970.
        length_s: How long it is, in whole seconds.
    """

    end: float
    length_s: int

    @property
    def start(self) -> float:
        """When it begins, and the period before ends."""
        return self.end - self.length_s

    @property
    def before(self) -> float:
        """When the period before begins."""
        return self.start - self.length_s

    @property
    def window_s(self) -> int:
        """How long a window is, in seconds: the longest that leaves enough of them; whole days for months."""
        fitting = [step for step in _STEPS_S if self.length_s % step == 0 and self.length_s // step >= _FEWEST_WINDOWS]
        if fitting and self.length_s // fitting[-1] <= _MOST_WINDOWS:
            return fitting[-1]
        if self.length_s > _USUAL_WINDOWS * _DAY_S:
            return -(-self.length_s // (_USUAL_WINDOWS * _DAY_S)) * _DAY_S
        return max(_STEPS_S[0], self.length_s // _USUAL_WINDOWS // 60 * 60)

    @property
    def windows(self) -> int:
        """How many whole windows the period has."""
        return self.length_s // self.window_s

    def ends_of_windows(self) -> list[float]:
        """When each window ends: those of the period before, then those of the period; in seconds since 1970."""
        return [
            self.first_window(end) + number * self.window_s
            for end in (self.start, self.end)
            for number in range(self.windows)
        ]

    def first_window(self, end: float) -> float:
        """When the first window ends, of the period that ends then; in seconds since 1970."""
        return end - (self.windows - 1) * self.window_s


def parse_length(text: str) -> int:
    """The seconds in a time like ``12h``, ``1d`` or ``2w``.

    Raises:
        ValueError: It is no such time, or none that can be reported on.
    """
    try:
        seconds = int(seconds_in(text))
    except ValueError:
        raise ValueError("expected a time like 12h, 1d, 7d or 4w") from None
    if seconds % 60:
        raise ValueError("a period has whole minutes")
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise ValueError("a period is between one hour and 366 days long")
    return seconds


def parse_end(text: str | None) -> float:
    """Seconds since 1970 of a moment in ISO 8601, UTC unless it says otherwise; the last full minute if None.

    Raises:
        ValueError: It is no such moment.
    """
    if text is None:
        return time.time() // 60 * 60
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError("expected a moment like 2026-03-01T06:00 or 2026-03-01") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
