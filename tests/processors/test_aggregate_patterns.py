"""The table of the costliest query patterns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.patterns import HALF_LIFE_NS, PatternTable
from otel_dbmon_processors.points import NumberPoint

START = 1_000


class Bench:
    """A pattern table with a clock that goes on with each collection."""

    def __init__(self, slots: int) -> None:
        self.guard = Guard()
        self.table = PatternTable(slots, self.guard, START)
        self.now_ns = START

    def call(self, fingerprint: str, time_ns: int, calls: int = 1) -> None:
        """Let a pattern take some time."""
        self.table.add(fingerprint, f"SELECT {fingerprint}", calls, time_ns, self.now_ns)

    def times(self) -> dict[object, NumberPoint]:
        """The time series after a collection, by fingerprint."""
        self.now_ns += 10
        times, _ = self.table.collect(self.now_ns)
        return {point.attributes["fingerprint"]: point for point in times.points if isinstance(point, NumberPoint)}

    def total(self) -> int:
        """The time of all patterns together."""
        times, _ = self.table.collect(self.now_ns)
        assert times.total is not None
        return times.total.value


def test_a_free_slot_is_taken_at_first_sight() -> None:
    """A service with few patterns sees each of them whole."""
    bench = Bench(slots=2)
    bench.call("a", 5)

    [point] = bench.times().values()

    assert (point.value, point.start_ns) == (5, START)
    assert point.attributes == {"fingerprint": "a", "summary": "SELECT a"}


def test_a_hot_challenger_gets_the_coldest_slot_and_a_series_that_starts_at_zero() -> None:
    """rate() sees it from its first value on; what it took before stays in the total."""
    bench = Bench(slots=2)
    bench.call("a", 100)
    bench.call("b", 10)
    bench.call("c", 50)
    promoted = bench.times()
    bench.call("c", 7)
    later = bench.times()

    assert set(promoted) == {"a", "c"}
    assert (promoted["c"].value, promoted["c"].start_ns) == (0, START + 10)
    assert (later["c"].value, later["c"].start_ns) == (7, START + 10)
    assert later["c"].key is promoted["c"].key
    assert bench.total() == 167


def test_equals_do_not_take_turns() -> None:
    """Series that come and go at every collection would help nobody."""
    bench = Bench(slots=1)
    bench.call("a", 100)
    for _ in range(5):
        bench.call("b", 30)

    assert set(bench.times()) == {"a"}


def test_what_was_hot_long_ago_makes_room() -> None:
    """Time counts half after each half-life."""
    bench = Bench(slots=1)
    bench.call("nightly", 1_000)
    bench.call("now", 300)
    assert set(bench.times()) == {"nightly"}

    bench.now_ns += HALF_LIFE_NS
    bench.times()
    bench.call("now", 300)
    bench.now_ns += HALF_LIFE_NS
    bench.times()
    bench.call("now", 300)

    assert set(bench.times()) == {"now"}


def test_a_pattern_that_comes_back_is_a_new_stream() -> None:
    """Its second series must not look like a continuation of the first."""
    bench = Bench(slots=1)
    bench.call("a", 10)
    first = bench.times()["a"]
    bench.call("b", 100)
    bench.times()
    bench.call("a", 1_000)
    second = bench.times()["a"]

    assert second.key is not first.key
    assert second.value == 0


def test_a_flood_of_one_off_patterns_does_not_hide_a_heavy_one() -> None:
    """What takes a good share of all time is found, however rare it is and however much comes between."""
    bench = Bench(slots=2)
    for number in range(20_000):
        bench.call(f"once {number}", 10)
        if number % 1_000 == 0:
            bench.call("report", 20_000)

    assert "report" in bench.times()
    assert bench.guard.dropped["patterns"] > 0
    assert bench.total() == 20_000 * 10 + 20 * 20_000


def test_a_statement_without_a_fingerprint_is_only_part_of_the_total() -> None:
    """An analysis that failed closed has none."""
    bench = Bench(slots=2)
    bench.call("", 10)

    assert not bench.times()
    assert bench.total() == 10


@given(
    slots=st.integers(1, 3),
    steps=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 1_000), st.booleans()), max_size=200),
)
def test_no_series_ever_falls_or_exceeds_its_share(slots: int, steps: list[tuple[int, int, bool]]) -> None:
    """However slots change hands, each stream only grows and all of them together stay below the total."""
    bench = Bench(slots)
    told: dict[object, int] = {}
    spent = 0
    for pattern, time_ns, collects in steps:
        bench.call(f"{pattern}", time_ns)
        spent += time_ns
        if collects:
            points = bench.times().values()
            assert len(points) <= slots
            assert all(point.value >= told.get(point.key, 0) for point in points)
            told.update((point.key, point.value) for point in points)
            assert bench.total() == spent
            assert sum(told.values()) <= spent
