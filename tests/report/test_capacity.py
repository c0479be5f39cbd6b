"""When a pool is said to be full, and how often wrongly."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_dbmon.report.capacity import forecast

DAY = 86_400


def peaks(
    chance: random.Random, days: int, slope: float = 0.0, weekend: float = 0.0, alike: float = 0.0
) -> list[tuple[float, float]]:
    """Daily peaks from 0.3 on, by so much more each day, by so much less on weekends."""
    noise, first = 0.0, chance.randrange(7)
    found = []
    for day in range(days):
        noise = alike * noise + chance.gauss(0, 0.03)
        share = 0.3 + slope * day - (weekend if (day + first) % 7 >= 5 else 0) + noise
        found.append((float(day * DAY), min(0.99, max(0.0, share))))
    return found


@pytest.mark.parametrize(("weekend", "alike", "at_most"), [(0.0, 0.0, 0.02), (0.2, 0.0, 0.02), (0.0, 0.5, 0.08)])
@pytest.mark.parametrize("days", [14, 15, 28])
def test_pools_without_a_trend_have_none(days: int, weekend: float, alike: float, at_most: float) -> None:
    """Weekends and noise are no growth; where a day is like the one before, a few pools seem to grow."""
    chance = random.Random(days)
    verdicts = Counter(forecast(peaks(chance, days, 0.0, weekend, alike), days * DAY).verdict for _ in range(300))
    assert verdicts["grows"] / 300 <= at_most
    assert verdicts["steady"] / 300 >= 0.85


@pytest.mark.parametrize("weekend", [0.0, 0.15])
def test_when_it_is_full_is_about_right(weekend: float) -> None:
    """One per cent a day: found in nearly every pool of four weeks, and the interval holds the truth in most."""
    chance, right, ratios = random.Random(1), 0, []
    truth = (0.7 - 0.01 * 27) / 0.01 * DAY
    for _ in range(200):
        found = forecast(peaks(chance, 28, 0.01, weekend), 27 * DAY)
        if found.exhausted_in_s is not None and found.earliest_s is not None:
            ratios.append(found.exhausted_in_s / truth)
            right += found.earliest_s <= truth and (found.latest_s is None or truth <= found.latest_s)
    assert len(ratios) >= 190
    assert sorted(ratios)[len(ratios) // 2] == pytest.approx(1, abs=0.1)
    assert right / len(ratios) >= 0.75


def test_what_is_full_is_said_to_be_full() -> None:
    """Whatever its history."""
    assert forecast((), 0, is_full=True).verdict == "full"


def test_few_days_say_nothing() -> None:
    """A leap of three days is no trend."""
    assert forecast([(day * DAY, 0.1 * day) for day in range(9)], 9 * DAY).verdict == "unknown"


def test_what_shrinks_is_never_full() -> None:
    """And what grows by a little is full in no time that can be told."""
    shrinking = forecast([(day * DAY, 0.9 - 0.02 * day) for day in range(20)], 20 * DAY)
    assert (shrinking.verdict, shrinking.exhausted_in_s) == ("shrinks", None)
    slow = forecast([(day * DAY, 0.01 + 0.002 * day) for day in range(28)], 27 * DAY)
    assert (slow.verdict, slow.exhausted_in_s) == ("grows", None)


def test_a_restart_does_not_bend_the_line() -> None:
    """One day at nothing, one day nearly full."""
    line = [(float(day * DAY), 0.2 + 0.01 * day) for day in range(28)]
    line[9], line[20] = (9.0 * DAY, 0.0), (20.0 * DAY, 0.95)
    found = forecast(line, 27 * DAY)
    assert found.slope_per_day == pytest.approx(0.01, rel=0.01)
    assert found.exhausted_in_s == pytest.approx(53 * DAY, rel=0.05)


@given(st.lists(st.floats(0, 1), max_size=30), st.integers(0, 100))
def test_any_peaks_are_foretold_in_order(shares: list[float], ahead: int) -> None:
    """Earliest, then, latest; nothing lies in the past."""
    found = forecast([(float(day * DAY), share) for day, share in enumerate(shares)], (len(shares) + ahead) * DAY)
    times = [time for time in (found.earliest_s, found.exhausted_in_s, found.latest_s) if time is not None]
    assert times == sorted(times)
    assert all(time >= 0 for time in times)
    assert found.p_value is None or 0 <= found.p_value <= 1
