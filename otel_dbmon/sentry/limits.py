"""Takes findings as they come and answers which of them are to be told now, each with how many it stands for."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

#: How long the first of a kind waits for others: a loop of slow statements is one event that says how many they were.
_SETTLE_S = 1.0
_MAX_KEYS = 512


class _Entry(Generic[T]):
    __slots__ = ("count", "due", "sent", "weight", "worst")

    def __init__(self) -> None:
        self.worst: T | None = None
        self.weight: object = None
        self.count = 0
        self.due = 0.0
        self.sent: float | None = None


class Limits(Generic[T]):
    """At most one in an interval for each key, and so many a minute in all; nothing that is not told is forgotten.

    Of those that come together the one of the greatest weight is told, with the number of the others. Not thread safe.

    Args:
        interval_s: Least seconds between two of one key.
        per_minute: Most in a minute, all keys together.
        clock: Seconds from anywhere.
    """

    def __init__(self, interval_s: float, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = interval_s
        self._per_minute = per_minute
        self._clock = clock
        self._entries: dict[Hashable, _Entry[T]] = {}
        self._allowance = float(per_minute)
        self._filled = clock()
        #: How many were given up because there were too many keys at once.
        self.dropped = 0

    def offer(self, key: Hashable, item: T, weight: object) -> None:
        """Take one.

        Args:
            key: What it is one of.
            item: What to tell.
            weight: Which of several to tell: the greatest.
        """
        entry = self._entries.get(key)
        if entry is None:
            if len(self._entries) >= _MAX_KEYS and not self._forget_one():
                self.dropped += 1
                return
            entry = self._entries[key] = _Entry()
        if entry.worst is None:
            settled = self._clock() + _SETTLE_S
            entry.due = settled if entry.sent is None else max(settled, entry.sent + self._interval_s)
            entry.worst, entry.weight, entry.count = item, weight, 1
            return
        entry.count += 1
        if weight > entry.weight:  # type: ignore[operator]
            entry.worst, entry.weight = item, weight

    def due(self) -> Iterator[tuple[T, int]]:
        """Those whose time has come, each with how many others it stands for."""
        now = self._clock()
        for entry in [entry for entry in self._entries.values() if entry.worst is not None and entry.due <= now]:
            if not self._allowed(now):
                entry.due = now + 60 / self._per_minute
                continue
            yield from self._told(entry, now)

    def rest(self) -> Iterator[tuple[T, int]]:
        """At the end: those that still wait for others. What an interval holds back is dropped."""
        now = self._clock()
        for entry in self._entries.values():
            held_back = entry.sent is not None and now < entry.sent + self._interval_s
            if entry.worst is not None and not held_back and self._allowed(now):
                yield from self._told(entry, now)
            else:
                self.dropped += entry.count

    def wait_s(self) -> float | None:
        """Seconds until something is due; None while nothing waits."""
        times = [entry.due for entry in self._entries.values() if entry.worst is not None]
        return max(min(times) - self._clock(), 0.0) if times else None

    def _told(self, entry: _Entry[T], now: float) -> Iterator[tuple[T, int]]:
        worst, others = entry.worst, entry.count - 1
        entry.worst, entry.count, entry.sent = None, 0, now
        if worst is not None:
            yield worst, others

    def _allowed(self, now: float) -> bool:
        filled = self._allowance + (now - self._filled) * self._per_minute / 60
        self._allowance, self._filled = min(filled, float(self._per_minute)), now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _forget_one(self) -> bool:
        """Make room by the oldest key of which nothing waits; its interval begins anew if it comes again."""
        key = next((key for key, entry in self._entries.items() if entry.worst is None), None)
        if key is None:
            return False
        del self._entries[key]
        return True
