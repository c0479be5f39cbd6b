"""Remembers of each query pattern when its plan was looked at last and what it was, in bounded space."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.plan import PendingPlan, Plan

_MAX_PATTERNS = 256
_MOST_A_MINUTE = 30
#: Statements of one pattern differ in what is no value of theirs: LIMIT 10, LIMIT 1000, the length of a list.
_MAX_QUESTIONS = 4
_MINUTE_S = 60.0


class _Entry:
    __slots__ = ("asked_at", "pending", "seen")

    def __init__(self, asked_at: float, pending: PendingPlan, seen: dict[int, Plan]) -> None:
        self.asked_at = asked_at
        self.pending = pending
        self.seen = seen


class Memory:
    """The plans seen last, by pattern; not thread safe, for its owner has a lock.

    Args:
        interval_s: Least seconds between two looks at one pattern.
        guard: Counts the plans that were forgotten to make room.
        clock: Seconds from anywhere.
    """

    def __init__(self, interval_s: float, guard: Guard, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = interval_s
        self._guard = guard
        self._clock = clock
        self._entries: dict[Hashable, _Entry] = {}
        self._minute, self._asked = clock(), 0

    def recall(self, key: Hashable) -> PendingPlan | None:
        """What was asked for within the interval; None if it is time to ask."""
        entry = self._entries.get(key)
        if entry is None or self._clock() - entry.asked_at >= self._interval_s:
            return None
        return entry.pending

    def ask(self, key: Hashable) -> PendingPlan | None:
        """Note that a plan is asked for now; None if too many were in this minute."""
        now = self._clock()
        if now - self._minute >= _MINUTE_S:
            self._minute, self._asked = now, 0
        if self._asked >= _MOST_A_MINUTE:
            return None
        self._asked += 1
        # Put in anew, so that the oldest is the one that was asked for the longest time ago.
        before = self._entries.pop(key, None)
        if before is None and len(self._entries) >= _MAX_PATTERNS:
            del self._entries[next(iter(self._entries))]
            self._guard.drop("plans")
        entry = self._entries[key] = _Entry(now, PendingPlan(), before.seen if before is not None else {})
        return entry.pending

    def answered(self, key: Hashable, question: str, plan: Plan) -> Plan | None:
        """Keep a plan that has arrived.

        Args:
            key: The pattern.
            question: What was asked: plans of other questions are no other plans.
            plan: The answer.

        Returns:
            The plan that it takes the place of; None if it is the same, or the first.
        """
        entry = self._entries.get(key)
        if entry is None:
            return None
        asked = hash(question)
        before = entry.seen.pop(asked, None)
        if len(entry.seen) >= _MAX_QUESTIONS:
            del entry.seen[next(iter(entry.seen))]
        entry.seen[asked] = plan
        # What comes too late for its own findings is there for the next ones.
        entry.pending = PendingPlan.settled(plan)
        return before if before is not None and before.hash != plan.hash else None
