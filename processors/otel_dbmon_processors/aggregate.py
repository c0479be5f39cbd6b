"""Counts observed statements into a bounded number of series and hands these out as neutral, cumulative points.

``record`` is on the path of every query, so it only puts the statement's figures aside. Every so often, and before each
collection, they are counted in the tallies of their combinations of analysis, connection and error; a collection
empties the tallies into the series they belong to. Tallies are many and short-lived (bounded by two generations, like
a cache), series are few and stay; what is evicted is a tally, never a series.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from otel_dbmon_processors.book import Analyzed, Book, Key, Tally
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.observation import Observation
from otel_dbmon_processors.patterns import PatternFigures
from otel_dbmon_processors.points import NANOSECONDS, Family

# A miss empties this many evicted tallies: more than the one it adds, few enough for nobody to notice.
_EMPTIED_PER_MISS = 2
# Statements are tallied in batches: in a tight loop it takes a third of what it takes between a service's own work.
_BATCH = 256
_MOST_PENDING = 4096
_Pending = tuple[Analyzed, bool, tuple[Any, ...]]


class Aggregator:
    """Records observations and gives out metrics. Thread safe; holds no reference to a statement's text.

    Args:
        config: Switches of the families, bucket boundaries and bounds.
        guard: Counts what the bounds dropped; its own counts are given out as metrics too.
        clock_ns: Nanoseconds since the epoch, for the start of series.
    """

    def __init__(self, config: Config, guard: Guard, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._config = config
        self._guard = guard
        self._clock_ns = clock_ns
        self._bounds_ns = tuple(round(bound * NANOSECONDS) for bound in config.duration_buckets)
        self._generation = max(16, config.cache_size // 2)
        self.reset()

    def reset(self) -> None:
        """Forget everything and renew the lock; for a forked child, where another thread may have held it."""
        # Reentrant: a garbage collection inside may finalize a connection whose last statement comes back here.
        self._lock = threading.RLock()
        self._young: dict[Key, Tally] = {}
        self._old: dict[Key, Tally] = {}
        self._evicted: list[Tally] = []
        self._pending: deque[_Pending] = deque()
        self._book = Book(self._config, self._guard, self._clock_ns())

    def record(self, observation: Observation, analysis: Analyzed, slow: bool) -> None:
        """Count one executed statement.

        Args:
            observation: The statement's run; its text is not read.
            analysis: What the text says.
            slow: Whether it reached the slow-query threshold.
        """
        pending = self._pending
        pending.append((analysis, slow, observation[1:]))
        if len(pending) >= _BATCH:
            self._tally_batch()

    def _tally_batch(self) -> None:
        # Whoever finds enough of them tallies them, unless somebody is at it and keeps up.
        if self._lock.acquire(blocking=len(self._pending) >= _MOST_PENDING):
            try:
                self._tally_pending()
            finally:
                self._lock.release()

    def _tally_pending(self) -> None:
        pending, bounds_ns = self._pending, self._bounds_ns
        # No more than there are now: others may add as fast as we take.
        taken = islice(iter(pending.popleft, None), len(pending))
        try:
            for analysis, slow, (origin, start_ns, duration, error, trace_id, span_id, _, sampled) in taken:
                key: Key = (analysis, origin)
                if error is not None:
                    key = (analysis, origin, error.type, error.exception, error.status_code)
                tally = self._young.get(key)
                if tally is None:
                    tally = self._tally(key, start_ns)
                bucket = bisect_left(bounds_ns, duration)
                tally.counts[bucket] += 1
                tally.sum += duration
                if duration < tally.minimum:
                    tally.minimum = duration
                if duration > tally.maximum:
                    tally.maximum = duration
                if slow:
                    tally.slow += 1
                if sampled:
                    tally.exemplars[bucket] = (trace_id, span_id, start_ns + duration, duration)
        except IndexError:
            # A finalizer's statement, in this very thread, took the rest.
            if pending:
                raise

    def count_n_plus_one(self, table: str) -> None:
        """Count one N+1 pattern.

        Args:
            table: The table that was read row by row, "" if unknown.
        """
        with self._lock:
            self._book.count_n_plus_one(table, self._clock_ns())

    def count_plan(self, table: str, has_changed: bool) -> None:
        """Count one look at the plan of a slow pattern.

        Args:
            table: The first table of the statement, "" if unknown.
            has_changed: Whether it was another plan before.
        """
        with self._lock:
            self._book.count_plan(table, has_changed, self._clock_ns())

    def count_error(self, operation: str, error_type: str, database: str) -> None:
        """Count an error that came without a statement.

        Args:
            operation: What was tried instead of a statement.
            error_type: One of the metric label's values.
            database: ``db.namespace``, "" if unknown.
        """
        with self._lock:
            self._book.count_error(operation, error_type, database, self._clock_ns())

    def collect(self) -> Iterator[Family]:
        """All families as they are when they are reached. Several threads may collect while others record."""
        book, lock = self._book, self._lock
        self._enter_all()
        # One family at a time, too: at the cap, the points of all of them are worth megabytes.
        yield from book.families(lock, self._clock_ns())

    def patterns(self) -> tuple[PatternFigures, list[PatternFigures]]:
        """What was counted of all query patterns together, and of each that has a series, as it is now."""
        self._enter_all()
        with self._lock:
            return self._book.patterns()

    def _enter_all(self) -> None:
        """Empty all tallies into the book."""
        book, lock = self._book, self._lock
        with lock:
            self._tally_pending()
            tallies = (*self._young.values(), *self._old.values())
        # One by one, so that no query waits for more than one tally.
        for tally in tallies:
            with lock:
                book.enter(tally)
        while self._evicted:
            with lock:
                self._empty_evicted(1)

    def _tally(self, key: Key, start_ns: int) -> Tally:
        """The tally of an origin that is not among the young ones: from the older generation, or a new one."""
        tally = self._old.pop(key, None)
        if tally is None:
            # The series starts with its first statement, not after it: exemplars have to lie in its time.
            tally = Tally(key, start_ns or self._clock_ns(), len(self._bounds_ns) + 1)
        if len(self._young) >= self._generation:
            # What was not asked for during a whole generation goes.
            self._evicted.extend(self._old.values())
            self._old = self._young
            self._young = {}
        self._young[key] = tally
        self._empty_evicted(_EMPTIED_PER_MISS)
        return tally

    def _empty_evicted(self, count: int) -> None:
        for tally in self._evicted[-count:]:
            self._book.enter(tally)
        del self._evicted[-count:]
