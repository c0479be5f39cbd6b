"""Which patterns are said to have become slower: how often wrongly, and how often at all."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from otel_dbmon.report.model import Amount, Changes, Pattern
from otel_dbmon.report.regression import Windows, compare
from otel_dbmon.report.significance import false_discovery, likeness, mean_test, student, typical

HOURS = 24
SEED = 20_260_301


def walk(chance: random.Random, alike: float, spread: float, factor: float) -> Windows:
    """A pattern with a daily rhythm whose windows vary; in the second period it takes ``factor`` times as long."""
    noise = chance.gauss(0, spread)
    calls, seconds = [], []
    for hour in range(2 * HOURS):
        noise = alike * noise + math.sqrt(1 - alike**2) * chance.gauss(0, spread)
        day = 1 + 0.5 * math.sin(2 * math.pi * hour / HOURS)
        calls.append(100 * day)
        seconds.append(calls[-1] * 0.01 * day * math.exp(noise) * (factor if hour >= HOURS else 1))
    return Windows(calls, seconds)


def pattern(name: str, windows: Windows) -> Pattern:
    """What the windows make in all."""
    calls, seconds = (Amount(sum(row[HOURS:]), sum(row[:HOURS])) for row in windows)
    return Pattern("shop", name, name, calls, seconds)


def judge(chance: random.Random, count: int, alike: float, spread: float, slower: int = 0) -> Changes:
    """A service of so many patterns, the first of which take half as long again."""
    windows = {
        ("shop", f"{number}", f"{number}"): walk(chance, alike, spread, 1.5 if number < slower else 1.0)
        for number in range(count)
    }
    return compare([pattern(key[1], found) for key, found in windows.items()], windows)


@pytest.mark.parametrize("alike", [0.0, 0.3, 0.5, 0.8])
@pytest.mark.parametrize(("count", "spread"), [(5, 0.3), (5, 0.6), (40, 0.1), (40, 0.3)])
def test_false_alarms_are_rare(alike: float, count: int, spread: float) -> None:
    """Nothing changed: at most one report in twenty says otherwise, however alike neighbouring windows are."""
    chance = random.Random(SEED)
    reports = 200 if count == 5 else 40
    wrong = sum(bool(judge(chance, count, alike, spread).slower) for _ in range(reports))
    assert wrong / reports <= 0.05


@pytest.mark.parametrize(("alike", "spread", "found"), [(0.0, 0.1, 0.95), (0.0, 0.3, 0.7), (0.5, 0.1, 0.9)])
def test_what_became_slower_is_found(alike: float, spread: float, found: float) -> None:
    """Half as long again, in four of forty patterns; and of all that is told, at most one in twenty is wrong."""
    chance = random.Random(SEED)
    told = [change for _ in range(20) for change in judge(chance, 40, alike, spread, slower=4).slower]
    right = sum(int(change.pattern.fingerprint) < 4 for change in told)
    assert right / 80 >= found
    assert (len(told) - right) / len(told) <= 0.05


def test_one_window_of_waiting_is_no_regression() -> None:
    """Everything waited for a lock for an hour: the mean of the day doubled, the pattern is as fast as it was."""
    windows = {("shop", "x", "x"): walk(random.Random(SEED), 0.0, 0.05, 1.0)}
    seconds = list(windows["shop", "x", "x"].seconds)
    seconds[30] *= 40
    windows["shop", "x", "x"] = Windows(windows["shop", "x", "x"].calls, seconds)
    assert not compare([pattern("x", windows["shop", "x", "x"])], windows).slower


def test_little_is_not_told() -> None:
    """A tenth more, beyond any doubt, is not worth a look."""
    windows = {("shop", "x", "x"): walk(random.Random(SEED), 0.0, 0.01, 1.1)}
    changes = compare([pattern("x", windows["shop", "x", "x"])], windows)
    assert (changes.tested, changes.slower, changes.faster) == (1, (), 0)


def test_faster_is_counted() -> None:
    """And not told as slower."""
    windows = {("shop", "x", "x"): walk(random.Random(SEED), 0.0, 0.05, 0.5)}
    changes = compare([pattern("x", windows["shop", "x", "x"])], windows)
    assert (changes.slower, changes.faster) == ((), 1)


def test_what_ran_rarely_is_not_judged() -> None:
    """Ten calls, or a few windows, say nothing; neither does what stands for all the others."""
    rare = Windows([0.4] * 48, [1.0] * 48)
    few = Windows(([100.0] * 5 + [0.0] * 19) * 2, [1.0] * 48)
    windows = {("shop", "rare", "rare"): rare, ("shop", "few", "few"): few}
    patterns = [pattern("rare", rare), pattern("few", few), Pattern("shop", "", "", Amount(9.0, 9.0), Amount(9.0, 9.0))]
    changes = compare([*patterns, pattern("unseen", few)], windows)
    assert (changes.tested, changes.untested) == (0, 3)


def test_nothing_is_nothing() -> None:
    """No patterns, no changes."""
    assert compare([], {}) == Changes()


rows = st.lists(st.floats(0, 1e9) | st.just(0.0), min_size=2 * HOURS, max_size=2 * HOURS)


@given(st.lists(st.tuples(rows, rows), max_size=4))
@example([([1e9] * 2 * HOURS, [5e-324] * HOURS + [1e9] * HOURS)])
def test_any_numbers_are_judged(told: Sequence[tuple[list[float], list[float]]]) -> None:
    """Without an error, and what is told is slower by its typical window and in all."""
    windows = {("shop", f"{number}", f"{number}"): Windows(*found) for number, found in enumerate(told)}
    changes = compare([pattern(key[1], found) for key, found in windows.items()], windows)
    assert changes.tested + changes.untested + len(changes.appeared) <= len(told)
    for change in changes.slower:
        assert min(change.ratio, change.typical_ratio) >= 1.2
        assert 0 <= change.p_value <= change.q_value <= 0.05


@given(st.lists(st.floats(0, 1), max_size=30))
def test_false_discovery_only_raises_p_values_and_keeps_their_order(p_values: list[float]) -> None:
    """Never above 1, never below the p-value."""
    q_values = false_discovery(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, q_values, strict=True))
    pairs = sorted(zip(p_values, q_values, strict=True))
    assert [q for _, q in pairs] == sorted(q_values)


def test_false_discovery_is_that_of_the_paper() -> None:
    """Benjamini and Hochberg's own example: of fifteen, four are told at 0.05."""
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719]
    q_values = false_discovery([*p_values, 0.6528, 0.7590, 1.0])
    assert sum(q <= 0.05 for q in q_values) == 4


@pytest.mark.parametrize(
    ("t", "freedom", "p_value"),
    [(12.706, 1, 0.05), (4.303, 2, 0.05), (3.182, 3, 0.05), (2.069, 23, 0.05), (2.807, 23, 0.01), (3.768, 23, 0.001)],
)
def test_student_is_that_of_the_tables(t: float, freedom: float, p_value: float) -> None:
    """Two-sided, to the digits that tables have."""
    assert student(t, freedom) == pytest.approx(p_value, rel=2e-3)
    assert student(-t, freedom) == student(t, freedom)


@given(st.floats(0, 1e6), st.floats(0.5, 500))
def test_student_is_a_probability(t: float, freedom: float) -> None:
    """Of whatever; with one degree of freedom it is Cauchy's, which has a formula."""
    assert 0 <= student(t, freedom) <= 1
    assert student(t, 1) == pytest.approx(1 - 2 * math.atan(t) / math.pi, abs=1e-7)


@given(st.lists(st.floats(-100, 100), min_size=8, max_size=40))
def test_differences_are_measured(differences: list[float]) -> None:
    """Likeness and p-value are shares, what is typical lies among the differences; more alike, less significant."""
    assert 0 <= likeness(differences) <= 1
    assert min(differences) - 1e-9 <= typical(differences) <= max(differences) + 1e-9
    assert 0 <= mean_test(differences, 0.0) <= mean_test(differences, 0.7) <= 1
