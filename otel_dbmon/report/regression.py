"""Takes calls and seconds of each query pattern, window by window over two periods; answers which became slower.

Of a pattern only how often it ran and how long that took in all is known, so a window gives one number: its mean
duration. Each window of the period is paired with the one that lies a whole period earlier. For a period of whole days
or weeks that is the same time of day or week, so what rises every morning is no change. The logarithms of the pairs'
ratios go through Student's t test, as many of them counting as are independent: where a slow window is often followed
by a slow one, one night of a cold cache is one witness, not eight. Benjamini and Hochberg's procedure corrects for the
number of patterns. (The sources of both are named in `significance`.)

Significance alone is not told: among a million calls a hundredth of a millisecond is significant. A pattern has become
slower if its typical window did by at least `LEAST_GROWTH`, and the mean of all its calls as well.

What it cannot know is why: it says that a period was slower than the one before. tests/report/test_regression.py
measures how often it says so of patterns of which nothing changed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from otel_dbmon.report.model import Changed, Changes, Pattern, over
from otel_dbmon.report.significance import false_discovery, likeness, mean_test, typical

#: The share of false alarms, among all that is told, that is borne.
FALSE_DISCOVERIES = 0.05
#: By which share the mean duration must have grown to be worth a look.
LEAST_GROWTH = 0.2
#: Fewer pairs, or fewer calls in a period, say nothing.
FEWEST_PAIRS, FEWEST_CALLS = 8, 20
#: With so many patterns, how alike neighbouring windows are is known better from all of them than from each.
_ENOUGH_PATTERNS = 10
#: `increase()` gives parts of calls; a window with less than that had none.
_ONE_CALL = 0.5
#: Less is no time that was measured.
_LEAST_S = 1e-9

#: Service, fingerprint and summary.
Key = tuple[str, str, str]


class Windows(NamedTuple):
    """What a pattern did: one entry for each window, first those of the period before, then those of the period."""

    calls: Sequence[float]
    seconds: Sequence[float]


class _Tested(NamedTuple):
    pattern: Pattern
    differences: list[float]


def compare(patterns: Sequence[Pattern], windows: Mapping[Key, Windows]) -> Changes:
    """Judge every pattern that ran often enough in both periods.

    Args:
        patterns: What they did in all.
        windows: What they did in each window; an even number of windows, the same for all.
    """
    known = [pattern for pattern in patterns if pattern.fingerprint]
    old = [pattern for pattern in known if pattern.calls.before]
    tested = [found for pattern in old if (found := _test(pattern, windows)) is not None]
    p_values = _p_values([found.differences for found in tested])
    changed = [
        _changed(found, p_value, q_value)
        for found, p_value, q_value in zip(tested, p_values, false_discovery(p_values), strict=True)
        if q_value <= FALSE_DISCOVERIES
    ]
    least = 1 + LEAST_GROWTH
    slower = [change for change in changed if min(change.typical_ratio, change.ratio) >= least]
    appeared = [pattern for pattern in known if not pattern.calls.before and pattern.calls.now]
    return Changes(
        tuple(sorted(slower, key=lambda change: -change.extra_s)),
        sum(max(change.typical_ratio, change.ratio) <= 1 / least for change in changed),
        len(tested),
        len(old) - len(tested),
        tuple(sorted(appeared, key=lambda pattern: -(pattern.seconds.now or 0))),
    )


def _test(pattern: Pattern, windows: Mapping[Key, Windows]) -> _Tested | None:
    differences = _log_ratios(windows.get((pattern.service, pattern.fingerprint, pattern.summary)))
    if len(differences) < FEWEST_PAIRS or min(pattern.calls.now or 0, pattern.calls.before or 0) < FEWEST_CALLS:
        return None
    return _Tested(pattern, differences)


def _p_values(all_differences: Sequence[list[float]]) -> list[float]:
    """How probable each pattern's differences are by chance, if neighbouring windows are as alike as they usually are.

    How alike they are is hard to see on the windows of one pattern; patterns that share a database are alike in that.
    """
    own = [likeness(differences) for differences in all_differences]
    usual = median(own) if own else 0.0
    if len(own) >= _ENOUGH_PATTERNS:
        own = [usual] * len(own)
    return [mean_test(differences, max(usual, alike)) for differences, alike in zip(all_differences, own, strict=True)]


def _changed(found: _Tested, p_value: float, q_value: float) -> Changed:
    pattern, differences = found
    mean = over(pattern.seconds, pattern.calls)
    ratio = mean.now / mean.before if mean.now and mean.before else 1.0
    extra_s = (pattern.seconds.now or 0.0) * (1 - 1 / ratio)
    return Changed(pattern, ratio, math.exp(typical(differences)), p_value, q_value, len(differences), extra_s)


def _log_ratios(windows: Windows | None) -> list[float]:
    if windows is None:
        return []
    means = [
        seconds / calls if calls >= _ONE_CALL and seconds >= _LEAST_S else 0.0
        for calls, seconds in zip(windows.calls, windows.seconds, strict=True)
    ]
    half = len(means) // 2
    pairs = zip(means[:half], means[half:], strict=True)
    return [math.log(now / before) for before, now in pairs if now > 0 and before > 0]
