"""How many events there are about how many findings: one at a time for each pattern, so many a minute in all."""

from __future__ import annotations

from otel_dbmon.sentry.limits import Limits


class Clock:
    """Time that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_comes_together_is_one_with_a_count() -> None:
    """Of 500 the weightiest is told, once, with the number of the others."""
    clock = Clock()
    limits: Limits[int] = Limits(300, 20, clock)
    for number in range(500):
        limits.offer("a", number, number % 400)
    assert list(limits.due()) == []
    assert limits.wait_s() == 1
    clock.now += 1
    assert list(limits.due()) == [(399, 499)]
    assert limits.wait_s() is None


def test_an_interval_holds_the_next_one_back() -> None:
    """It is told when the interval is over, with all that came in between."""
    clock = Clock()
    limits: Limits[str] = Limits(300, 20, clock)
    limits.offer("a", "first", 1)
    clock.now += 1
    assert list(limits.due()) == [("first", 0)]
    for _ in range(10):
        clock.now += 10
        limits.offer("a", "again", 1)
        assert list(limits.due()) == []
    assert limits.wait_s() == 200
    clock.now += 200
    assert list(limits.due()) == [("again", 9)]


def test_another_pattern_has_its_own_interval() -> None:
    """Keys don't hold each other back."""
    clock = Clock()
    limits: Limits[str] = Limits(300, 20, clock)
    limits.offer("a", "a", 1)
    limits.offer("b", "b", 1)
    clock.now += 1
    assert list(limits.due()) == [("a", 0), ("b", 0)]


def test_so_many_a_minute_in_all() -> None:
    """The others wait for their turn, and gather what else comes."""
    clock = Clock()
    limits: Limits[int] = Limits(300, 6, clock)
    for number in range(30):
        limits.offer(number, number, 1)
    clock.now += 1
    assert len(list(limits.due())) == 6
    told = 6
    for _ in range(60):
        clock.now += 1
        told += len(list(limits.due()))
    assert 11 <= told <= 12


def test_the_end_does_not_wait() -> None:
    """What still gathers is told at once; what an interval holds back is given up, and counted."""
    clock = Clock()
    limits: Limits[str] = Limits(300, 20, clock)
    limits.offer("a", "a", 1)
    clock.now += 1
    assert list(limits.due()) == [("a", 0)]
    for _ in range(3):
        limits.offer("a", "again", 1)
        limits.offer("b", "b", 1)
    assert list(limits.rest()) == [("b", 2)]
    assert limits.dropped == 3


def test_patterns_are_bounded() -> None:
    """When too many wait at once, the rest is counted; those that were told make room."""
    clock = Clock()
    limits: Limits[int] = Limits(300, 6000, clock)
    for number in range(600):
        limits.offer(number, number, 1)
    assert limits.dropped == 88
    clock.now += 1
    assert len(list(limits.due())) == 512
    limits.offer("new", 1, 1)
    assert limits.dropped == 88
