"""Finds the query patterns that take the most time: calls of any number of patterns go in, a few series come out.

The candidates are kept by the frequent-items algorithm of Anderson, Bevan, Lang, Liberty, Rhodes and Thaler, "A
High-Performance Algorithm for Identifying Frequent Items in Data Streams" (IMC 2017), a batched form of Misra-Gries
and Space-Saving, with time as the weight: when the table is full, the colder half goes, and whatever comes new owes as
much as the hottest that went. With ``m`` candidates surviving, no pattern that took more than 1/m of all time is lost.

That only decides who gets a series. The counts themselves are exact: a series counts from the moment the pattern got
its slot, and everything else is the difference to the total, which the host exports as the overflow series.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.points import NANOSECONDS, Attributes, Family
from otel_dbmon_processors.series import Counter
from otel_dbmon_semconv import attributes, metrics

#: Time taken counts half after this long, so that yesterday's batch job makes room for what is slow now.
HALF_LIFE_NS = 3600 * NANOSECONDS
#: A challenger has to be this many times hotter than the coldest holder of a slot: two equals must not take turns.
_ADVANTAGE = 2
_CANDIDATES_PER_SLOT = 8


class PatternFigures(NamedTuple):
    """What was counted of one pattern since it got its series; more than its series tell.

    Attributes:
        fingerprint: The pattern's name.
        summary: Operations and targets.
        start_ns: When counting began, nanoseconds since the epoch; another one means that it began anew.
        calls: How many there were.
        time_ns: How long they took together.
        errors: How many of them failed.
        buckets: How many there were in each bucket of the duration histograms.
    """

    fingerprint: str
    summary: str
    start_ns: int
    calls: int
    time_ns: int
    errors: int
    buckets: tuple[int, ...]


class _Slot:
    """The two counters of a pattern that has a series, and what else is known of its calls."""

    __slots__ = ("buckets", "calls", "errors", "time")

    def __init__(self, start_ns: int) -> None:
        self.calls = Counter(start_ns)
        self.time = Counter(start_ns)
        self.errors = 0
        self.buckets: Sequence[int] = ()


class _Pattern:
    """One pattern: the time it was seen to take, and what it may have taken before it got into the table."""

    __slots__ = ("debt_ns", "fingerprint", "seen_ns", "slot", "summary")

    def __init__(self, fingerprint: str, summary: str, debt_ns: int) -> None:
        self.fingerprint = fingerprint
        self.summary = summary
        self.seen_ns = 0
        self.debt_ns = debt_ns
        self.slot: _Slot | None = None

    @property
    def heat_ns(self) -> int:
        """At least the time that it took."""
        return self.seen_ns + self.debt_ns

    @property
    def attributes(self) -> Attributes:
        """What its series is known by."""
        return {attributes.LABEL_FINGERPRINT: self.fingerprint, attributes.LABEL_SUMMARY: self.summary}


class PatternTable:
    """The costliest query patterns by total time. Not thread safe.

    Args:
        slots: How many patterns have a series at one time (``OTEL_DBMON_TOP_QUERIES``).
        guard: Counts candidates that were given up.
        start_ns: When counting began, nanoseconds since the epoch.
    """

    def __init__(self, slots: int, guard: Guard, start_ns: int) -> None:
        self._slots = slots
        self._survivors = _CANDIDATES_PER_SLOT * slots
        self._guard = guard
        self._candidates: dict[str, _Pattern] = {}
        self._holders: dict[str, _Pattern] = {}
        self._owed_ns = 0
        self._aged_at_ns = start_ns
        self._all = _Slot(start_ns)

    def add(
        self,
        fingerprint: str,
        summary: str,
        calls: int,
        time_ns: int,
        start_ns: int,
        buckets: Sequence[int] = (),
        errors: int = 0,
    ) -> None:
        """Count calls of a pattern that took this long together; the first of them not before ``start_ns``."""
        self._all.calls.value += calls
        self._all.time.value += time_ns
        if not fingerprint:
            return
        pattern = self._holders.get(fingerprint) or self._candidates.get(fingerprint)
        if pattern is None:
            pattern = self._admit(fingerprint, summary, start_ns)
        pattern.seen_ns += time_ns
        if pattern.slot is not None:
            pattern.slot.calls.value += calls
            pattern.slot.time.value += time_ns
            pattern.slot.errors += errors
            known = pattern.slot.buckets
            pattern.slot.buckets = [a + b for a, b in zip(known, buckets, strict=True)] if known else [*buckets]

    def figures(self) -> tuple[PatternFigures, list[PatternFigures]]:
        """All patterns together, and those that hold a slot one by one."""
        held = [
            PatternFigures(
                pattern.fingerprint,
                pattern.summary,
                slot.calls.start_ns,
                slot.calls.value,
                slot.time.value,
                slot.errors,
                tuple(slot.buckets),
            )
            for pattern in self._holders.values()
            if (slot := pattern.slot) is not None
        ]
        total = self._all
        return PatternFigures("", "", total.calls.start_ns, total.calls.value, total.time.value, 0, ()), held

    def collect(self, now_ns: int) -> list[Family]:
        """The families of the patterns that hold a slot, after those that earned one got it."""
        self._age(now_ns)
        self._promote(now_ns)
        held = [(pattern.attributes, pattern.slot) for pattern in self._holders.values() if pattern.slot is not None]
        times = [slot.time.point(labels) for labels, slot in held]
        calls = [slot.calls.point(labels) for labels, slot in held]
        return [
            Family(metrics.DATABASE_QUERY_PATTERN_DURATION, times, total=self._all.time.point({})),
            Family(metrics.DATABASE_QUERY_PATTERN_CALLS, calls, total=self._all.calls.point({})),
        ]

    def _admit(self, fingerprint: str, summary: str, start_ns: int) -> _Pattern:
        if len(self._candidates) >= 2 * self._survivors:
            self._purge()
        pattern = _Pattern(fingerprint, summary, self._owed_ns)
        if len(self._holders) < self._slots:
            # A free slot is taken at first sight: the series then holds all there ever was of the pattern.
            pattern.slot = _Slot(start_ns)
            self._holders[fingerprint] = pattern
        else:
            self._candidates[fingerprint] = pattern
        return pattern

    def _purge(self) -> None:
        by_heat = sorted(self._candidates.values(), key=lambda pattern: pattern.heat_ns, reverse=True)
        gone = by_heat[self._survivors :]
        self._owed_ns = max(self._owed_ns, gone[0].heat_ns)
        self._candidates = {pattern.fingerprint: pattern for pattern in by_heat[: self._survivors]}
        self._guard.drop("patterns", len(gone))

    def _age(self, now_ns: int) -> None:
        if now_ns - self._aged_at_ns < HALF_LIFE_NS:
            return
        self._aged_at_ns = now_ns
        self._owed_ns //= 2
        for pattern in (*self._holders.values(), *self._candidates.values()):
            pattern.seen_ns //= 2
            pattern.debt_ns //= 2

    def _promote(self, now_ns: int) -> None:
        # Judged by what was seen, not by the debt: a newcomer in a flood of one-off statements owes much, took little.
        challengers = heapq.nlargest(self._slots, self._candidates.values(), key=lambda pattern: pattern.seen_ns)
        holders = sorted(self._holders.values(), key=lambda pattern: pattern.seen_ns)
        for challenger, holder in zip(challengers, holders, strict=False):
            if challenger.seen_ns <= _ADVANTAGE * holder.seen_ns:
                break
            self._candidates[holder.fingerprint] = self._holders.pop(holder.fingerprint)
            self._holders[challenger.fingerprint] = self._candidates.pop(challenger.fingerprint)
            holder.slot = None
            challenger.slot = _Slot(now_ns)
