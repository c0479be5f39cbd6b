"""Two states of counters, and what a reading makes of their difference."""

from __future__ import annotations

import math

from hypothesis import example, given
from hypothesis import strategies as st

from otel_dbmon.querying.quantile import quantile
from otel_dbmon.top import rates
from otel_dbmon.top.rates import Counters, increases, reading, summed

KEYS = st.sampled_from([("calls", "a"), ("calls", "b"), ("seconds", "a")])
LIVES = st.sampled_from(["", "1", "2"])
VALUES = st.floats(0, 1e9)
STATES = st.dictionaries(st.tuples(KEYS, LIVES), VALUES)
#: Parts of observations, as rates give them; of less than a billionth of one nothing can be told.
_COUNTS = st.floats(1e-9, 1e6) | st.just(0.0)
BUCKETS = st.dictionaries(st.sampled_from([0.001, 0.01, 0.1, 1.0, 10.0]), _COUNTS, min_size=1).map(
    lambda found: {**found, math.inf: max(found.values())}
)


@given(STATES, STATES)
def test_nothing_ever_happened_a_negative_number_of_times(before: rates.Key, after: rates.Key) -> None:
    """Whatever was restarted, came or went in between; and what is gone has no increase."""
    grown = increases(Counters(1.0, before), Counters(2.0, after))  # type: ignore[arg-type]

    assert all(value >= 0 for value in grown.values())
    assert set(grown) == {key for key, _ in after}


@given(STATES, STATES)
def test_increases_add_up(before: dict[tuple[rates.Key, str], float], more: dict[tuple[rates.Key, str], float]) -> None:
    """A counter that only counts up is seen to grow by just that; a new one by all it has."""
    after = {name: before.get(name, 0.0) + more.get(name, 0.0) for name in {**before, **more}}

    grown = increases(Counters(1.0, before), Counters(2.0, after))

    for key in grown:
        expected = math.fsum(value for (whose, _), value in more.items() if whose == key)
        assert math.isclose(grown[key], expected, rel_tol=1e-6, abs_tol=1e-3)


@given(KEYS, VALUES, VALUES)
def test_a_restarted_counter_grew_by_what_it_shows(key: rates.Key, earlier: float, now: float) -> None:
    """Lower than before, or of another life: it began at zero."""
    [other] = increases(Counters(1.0, {(key, "1"): earlier}), Counters(2.0, {(key, "2"): now})).values()
    [same] = increases(Counters(1.0, {(key, ""): earlier}), Counters(2.0, {(key, ""): now})).values()

    assert other == now
    assert same == (now if now < earlier else now - earlier)


@given(st.lists(st.dictionaries(KEYS, VALUES)))
def test_processes_are_added_up(parts: list[dict[rates.Key, float]]) -> None:
    """Every counter of every process is in the sum."""
    total = summed(parts)

    assert set(total) == {key for part in parts for key in part}
    assert math.isclose(sum(total.values()), sum(sum(part.values()) for part in parts), rel_tol=1e-9)


@given(BUCKETS, st.floats(0.001, 1), st.floats(0.001, 1))
@example({10.0: 0.21391014221753568, math.inf: 0.21391014221753568}, 1.0, 1.0)
def test_quantiles_are_in_order_and_within_the_buckets(buckets: dict[float, float], one: float, two: float) -> None:
    """A higher share never has a lower quantile; none is above the highest bound that is known."""
    low, high = quantile(min(one, two), buckets), quantile(max(one, two), buckets)

    if buckets[math.inf] == 0:
        assert math.isnan(low)
        assert math.isnan(high)
    else:
        assert 0 <= low <= high * (1 + 1e-12)
        assert high <= max(bound for bound in buckets if bound < math.inf)


def test_quantiles_need_buckets() -> None:
    """No bound, or none for everything: nothing is known."""
    assert math.isnan(quantile(0.5, {}))
    assert math.isnan(quantile(0.5, {math.inf: 5.0}))
    assert math.isnan(quantile(0.5, {0.1: 5.0, 1.0: 6.0}))


def test_what_has_no_series_is_told_of_as_the_rest() -> None:
    """All calls, less those of the patterns that are named."""
    found = reading(
        0.0,
        2.0,
        {
            (rates.CALLS, "svc", "f1", "SELECT a"): 3.0,
            (rates.SECONDS, "svc", "f1", "SELECT a"): 0.5,
            (rates.TOTAL_CALLS, "svc"): 10.0,
            (rates.TOTAL_SECONDS, "svc"): 1.5,
        },
    )

    rest, named = found.queries
    assert (rest.summary, rest.calls, rest.seconds, rest.key) == (rates.OTHERS, 7.0, 1.0, ("svc", "", rates.OTHERS))
    assert math.isnan(rest.errors)
    assert (named.mean, named.fingerprint) == (0.5 / 3.0, "f1")


def test_without_patterns_summaries_stand_for_them() -> None:
    """OTEL_DBMON_METRIC_FAMILIES=client: what is known is known by summary."""
    whose = ("svc", "SELECT a")
    found = reading(
        0.0,
        2.0,
        {
            (rates.SUMMARY_CALLS, *whose): 4.0,
            (rates.SUMMARY_SECONDS, *whose): 2.0,
            (rates.SUMMARY_FAILED, *whose): 1.0,
            (rates.SUMMARY_BUCKET, *whose, "1.0"): 4.0,
            (rates.SUMMARY_BUCKET, *whose, "inf"): 4.0,
        },
    )

    [query] = found.queries
    assert (query.summary, query.calls, query.mean, query.errors, query.p50) == ("SELECT a", 4.0, 0.5, 1.0, 0.5)
    assert query.is_shared
