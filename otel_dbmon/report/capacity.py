"""Takes the daily peaks of a pool; answers whether they grow, and when the pool will be full.

The slope is Theil's and Sen's, the median of the slopes between any two peaks: one odd day does not bend it, nor does a
restart. Whether there is a trend at all is Mann's and Kendall's question, how often a later peak is higher than an
earlier one. (P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", Journal of the American
Statistical Association 63, 1968, which also gives the interval of the slope.) Without a trend nothing is foretold.

Days, because every pool is fuller at noon than at night; from whole weeks, because Sundays differ as well. Where one
day is like the day before for other reasons, trends are seen more often than they should be, in about 4 of 100 pools
where neighbours correlate by a half (tests/report/test_capacity.py).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from statistics import NormalDist, median

from otel_dbmon.report.model import Forecast

#: A slope counts if the pool's peak moved by this share of the pool in the time seen; less is no concern of anybody's.
_LEAST_MOVE = 0.05
#: How improbable a trend must be by chance.
SIGNIFICANT = 0.01
#: Nothing is said about what lies further ahead than so many times the time seen.
_HORIZON = 10
FEWEST = 10
_DAY_S = 86_400


def forecast(peaks: Sequence[tuple[float, float]], end: float, is_full: bool = False) -> Forecast:
    """Where the peaks lead.

    Args:
        peaks: When a day ended, in seconds, and the largest share of the pool that was in use in it.
        end: From when to look ahead, in seconds.
        is_full: Whether nothing was left of it in the period.
    """
    peaks = sorted(peaks)
    if is_full:
        return Forecast("full", exhausted_in_s=0.0)
    if len(peaks) < FEWEST:
        return Forecast("unknown")
    shares = [share for _, share in peaks]
    slopes = sorted((later - earlier) / (at - since) for (since, earlier), (at, later) in combinations(peaks, 2))
    slope, p_value, seen_s = median(slopes), _mann_kendall(shares), peaks[-1][0] - peaks[0][0]
    if p_value > SIGNIFICANT or abs(slope) * seen_s < _LEAST_MOVE:
        return Forecast("steady", slope * _DAY_S, p_value=p_value)
    if slope < 0:
        return Forecast("shrinks", slope * _DAY_S, p_value=p_value)
    level = _high([share - slope * (at - end) for at, share in peaks])
    soon, sooner, later = (
        _until_full(level, each, _HORIZON * seen_s) for each in (slope, *reversed(_interval(slopes, shares)))
    )
    return Forecast("grows", slope * _DAY_S, soon, sooner, later, p_value)


def _high(levels: Sequence[float]) -> float:
    """Where the fuller days are, whatever weekends do: three of four days are below."""
    return sorted(levels)[3 * len(levels) // 4]


def _until_full(level: float, slope: float, horizon_s: float) -> float | None:
    if slope <= 0:
        return None
    seconds = max(0.0, (1 - level) / slope)
    return seconds if seconds <= horizon_s else None


def _mann_kendall(values: Sequence[float]) -> float:
    """How probable such a trend is, two-sided, if the values came in any order."""
    score = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    spread = math.sqrt(_variance(values))
    if not spread or not score:
        return 1.0
    return 2 * (1 - NormalDist().cdf((abs(score) - 1) / spread))


def _variance(values: Sequence[float]) -> float:
    """Of Kendall's score, if the values came in any order; ties make it smaller."""
    sizes = [len(values)]
    ties = [count for count in Counter(values).values() if count > 1]
    return (sum(map(_term, sizes)) - sum(map(_term, ties))) / 18


def _term(count: int) -> int:
    return count * (count - 1) * (2 * count + 5)


def _interval(slopes: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """The flattest and the steepest slope that are credible at 95 %."""
    margin = NormalDist().inv_cdf(0.975) * math.sqrt(_variance(values))
    low = max(0, math.floor((len(slopes) - margin) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + margin) / 2))
    return slopes[low], slopes[high]
