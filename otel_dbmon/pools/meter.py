"""Measures one pool: requests, time-outs and durations are counted as they happen, connections when somebody asks."""

from __future__ import annotations

import threading
import time
import weakref
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable
from typing import Any, NamedTuple

from otel_dbmon.pools.target import Target
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.points import NANOSECONDS, Attributes, HistogramPoint
from otel_dbmon_processors.series import Histogram

#: The attribute by which a pool holds its meter.
_METER = "_otel_dbmon_meter"

Clock = Callable[[], int]


class Durations(Histogram):
    """A histogram of nanoseconds that knows its bounds.

    Args:
        start_ns: When counting began, nanoseconds since the epoch.
        bounds: Bucket boundaries in nanoseconds.
    """

    __slots__ = ("_bounds",)

    def __init__(self, start_ns: int, bounds: tuple[int, ...]) -> None:
        super().__init__(start_ns, len(bounds) + 1)
        self._bounds = bounds

    def add(self, duration: int) -> None:
        """Count one duration."""
        self.counts[bisect_left(self._bounds, duration)] += 1
        self.sum += duration
        if duration < self.minimum:
            self.minimum = duration
        if duration > self.maximum:
            self.maximum = duration

    def point(self, attributes: Attributes) -> HistogramPoint:
        """Its state now, from the beginning: a rate sees the first event only where there was a zero before."""
        point = super().point(attributes)
        return point._replace(minimum=None, maximum=None) if self.empty else point


class Counts:
    """What happened to a pool's requests since its counting began. Thread safe.

    What has begun with one of these ends with the same one, also when the pool's meter has been renewed in between.

    Attributes:
        start_ns: When counting began, nanoseconds since the epoch.
        seen: Whether the pool is to be told of: one that was disposed of is not, until it is used again.
        pending: Requests that have no connection yet.
        lent: Connections that were handed out and did not come back.
        timeouts: Requests that got none in time.
        wait: How long it took to get a connection.
        use: How long connections were away.
        create: How long it took to open connections.
    """

    __slots__ = ("_kept", "create", "lent", "lock", "pending", "seen", "start_ns", "timeouts", "use", "wait")

    def __init__(self, bounds: tuple[int, ...], start_ns: int, seen: bool) -> None:
        # Reentrant: a garbage collection inside may return a connection that its owner has lost.
        self.lock = threading.RLock()
        self.start_ns = start_ns
        self.seen = seen
        self.pending = 0
        self.lent = 0
        self.timeouts = 0
        self.wait = Durations(start_ns, bounds)
        self.use = Durations(start_ns, bounds)
        self.create = Durations(start_ns, bounds)
        self._kept: weakref.WeakSet[Any] = weakref.WeakSet()

    def requested(self) -> int:
        """A request begins; the answer's ``since`` is to be given back with its end."""
        with self.lock:
            self.pending += 1
            self.seen = True
        return time.perf_counter_ns()

    def refused(self, timed_out: bool) -> None:
        """A request ends without a connection."""
        with self.lock:
            self.pending -= 1
            self.timeouts += timed_out

    def granted(self, since: int, again: bool = False) -> int:
        """A request ends with a connection; returns now, for :meth:`returned`.

        Args:
            since: What :meth:`requested` gave.
            again: Whether it is a connection that the caller has already.
        """
        now = time.perf_counter_ns()
        with self.lock:
            self.pending -= 1
            self.lent += not again
            self.wait.add(now - since)
        return now

    def returned(self, since: int) -> None:
        """A connection came back.

        Args:
            since: What :meth:`granted` gave.
        """
        duration = time.perf_counter_ns() - since
        with self.lock:
            self.lent -= 1
            self.use.add(duration)

    def gone(self) -> None:
        """A connection was taken out of the pool for good."""
        with self.lock:
            self.lent -= 1

    def keep(self, entry: object) -> None:
        """Remember a position of the pool for as long as the pool has it."""
        with self.lock:
            self._kept.add(entry)

    def kept(self) -> list[Any]:
        """The positions that were remembered and still are."""
        with self.lock:
            return list(self._kept)

    def created(self, duration: int) -> None:
        """A connection was opened in so many nanoseconds."""
        with self.lock:
            self.create.add(max(duration, 0))


class Limits(NamedTuple):
    """What a pool says of itself.

    Attributes:
        idle: Connections open and not in use.
        max: Most connections it allows, or None where it has no limit.
        idle_max: Most idle connections it keeps, or None where it has no limit.
    """

    idle: int
    max: int | None
    idle_max: int | None


class Figures(NamedTuple):
    """A pool at one moment; the fields are those of :class:`Limits` and :class:`Counts`."""

    active: int
    idle: int
    max: int | None
    idle_max: int | None
    pending: int
    timeouts: int

    @property
    def usage(self) -> float | None:
        """The share of its connections that is in use, from 0 to 1; None where there is no limit."""
        return min(self.active / self.max, 1.0) if self.max else None


class Meter(ABC):
    """One pool's name and counts; a subclass knows how to look at the pool.

    Args:
        name: The pool's name, distinct in the process.
        target: Where its connections go.
        bounds: Bucket boundaries in seconds.
        guard: Counts our failures.
        clock_ns: Nanoseconds since the epoch.
    """

    def __init__(
        self, name: str, target: Target, bounds: tuple[float, ...], guard: Guard, clock_ns: Clock = time.time_ns
    ) -> None:
        self.name = name
        self.target = target
        self._bounds = tuple(round(bound * NANOSECONDS) for bound in bounds)
        self._guard = guard
        self._clock_ns = clock_ns
        self.renew(seen=True)

    def renew(self, seen: bool) -> None:
        """Count from zero again, with new locks.

        Args:
            seen: Whether to tell of the pool before its next request.
        """
        self.counts = Counts(self._bounds, self._clock_ns(), seen)

    def attach(self, pool: Any) -> None:
        """Measure this pool from now on; it keeps the meter alive."""
        self._pool = weakref.ref(pool)
        setattr(pool, _METER, self)

    def figures(self) -> Figures | None:
        """The pool as it is now; None when there is nothing to be told of it."""
        pool, counts = self._pool(), self.counts
        limits = self.limits(pool, counts) if pool is not None and counts.seen else None
        if limits is None:
            return None
        with counts.lock:
            return Figures(counts.lent, *limits, counts.pending, counts.timeouts)

    @abstractmethod
    def limits(self, pool: Any, counts: Counts) -> Limits | None:
        """What the pool says of itself; None when it is closed."""


def meter_of(pool: object) -> Meter | None:
    """A pool's meter, or None if it is not measured."""
    meter: Meter | None = getattr(pool, _METER, None)
    return meter


def connection_pool_usage(owner: object) -> float | None:
    """The share of a pool's connections that is in use now. Never raises.

    Args:
        owner: A SQLAlchemy engine, synchronous or not, or a pool of psycopg_pool.

    Returns:
        0.0 (idle) to 1.0 (exhausted); None where the pool has no limit or is not measured.
    """
    try:
        meter = meter_of(getattr(owner, "pool", owner))
        figures = meter.figures() if meter is not None else None
        return figures.usage if figures is not None else None
    except Exception:  # noqa: BLE001 - a pool that cannot be read has no known usage
        return None
