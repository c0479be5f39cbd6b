"""Bounded tables of series: label values go in, the series that counts them comes out, or the overflow series."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

from otel_dbmon_processors.points import OVERFLOW, Attributes, Exemplar, HistogramPoint, NumberPoint

#: The values of a table's keys, in their order; None where the attribute is absent.
Labels = tuple["str | int | None", ...]

_NO_MINIMUM = 1 << 63
# Where an exemplar has its time.
_END_NS = 2


class Counter:
    """Counts up.

    Attributes:
        start_ns: When the first thing that it counts could have happened, nanoseconds since the epoch.
        overflow: Whether it counts for all that got no series of their own.
        value: So many were counted.
    """

    __slots__ = ("overflow", "start_ns", "value")

    def __init__(self, start_ns: int) -> None:
        self.start_ns = start_ns
        self.overflow = False
        self.value = 0

    def point(self, attributes: Attributes) -> NumberPoint:
        """Its value now."""
        return NumberPoint(self, attributes, self.start_ns, self.value)


class Histogram:
    """Count per bucket, sum, extremes and the newest exemplar of each bucket, of integers that are never negative."""

    __slots__ = ("counts", "exemplars", "maximum", "minimum", "overflow", "start_ns", "sum")

    def __init__(self, start_ns: int, buckets: int) -> None:
        self.start_ns = start_ns
        self.overflow = False
        self.counts = [0] * buckets
        self.sum = 0
        self.minimum = _NO_MINIMUM
        self.maximum = -1
        self.exemplars: dict[int, Exemplar] = {}

    @property
    def empty(self) -> bool:
        """Whether nothing has been counted."""
        return self.maximum < 0

    def absorb(self, other: Histogram) -> None:
        """Count everything that another histogram with the same buckets has counted."""
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        for bucket, exemplar in other.exemplars.items():
            mine = self.exemplars.get(bucket)
            if mine is None or mine[_END_NS] <= exemplar[_END_NS]:
                self.exemplars[bucket] = exemplar

    def clear(self) -> None:
        """Count from zero again."""
        self.counts = [0] * len(self.counts)
        self.sum = 0
        self.minimum = _NO_MINIMUM
        self.maximum = -1
        self.exemplars = {}

    def point(self, attributes: Attributes) -> HistogramPoint:
        """Its state now."""
        return HistogramPoint(
            self,
            attributes,
            self.start_ns,
            tuple(self.counts),
            self.sum,
            self.minimum,
            self.maximum,
            tuple(self.exemplars.values()),
        )


SeriesT = TypeVar("SeriesT", Counter, Histogram)


class SeriesTable(Generic[SeriesT]):
    """The series of one metric, at most ``limit`` of them and the overflow series.

    A series is never evicted: a counter that vanished and came back at zero would look like a restart. Not thread
    safe; its owner's lock guards it.

    Args:
        keys: The attributes' names, one for each label value.
        limit: Most series besides the overflow series (``OTEL_DBMON_MAX_SERIES``).
        make: Makes a series from its start in nanoseconds.
    """

    def __init__(self, keys: tuple[str, ...], limit: int, make: Callable[[int], SeriesT]) -> None:
        self._keys = keys
        self._limit = limit
        self._make: Callable[[int], SeriesT] = make
        self._series: dict[Labels, SeriesT] = {}
        self._overflow: SeriesT | None = None

    def announce(self, labels: Labels, start_ns: int) -> SeriesT | None:
        """Have the series at zero before anything happens to it; None when it is new and the table is full."""
        series = self._series.get(labels)
        if series is None and len(self._series) < self._limit:
            series = self._series[labels] = self._make(start_ns)
        return series

    def series(self, labels: Labels, start_ns: int) -> SeriesT:
        """The series of these labels, or the overflow series when it is new and the table is full."""
        series = self.announce(labels, start_ns)
        if series is None:
            if self._overflow is None:
                self._overflow = self._make(start_ns)
                self._overflow.overflow = True
            series = self._overflow
        # Tallies are emptied in any order; the series started with the first of them.
        series.start_ns = min(series.start_ns, start_ns)
        return series

    def points(self, lock: AbstractContextManager[object]) -> list[Any]:
        """Every series as it is now, each read under its owner's lock, which is never held for long."""
        with lock:
            streams = list(self._series.items())
            overflow = self._overflow
        points: list[Any] = []
        for labels, series in streams:
            attributes = {key: value for key, value in zip(self._keys, labels, strict=True) if value is not None}
            with lock:
                points.append(series.point(attributes))
        if overflow is not None:
            with lock:
                points.append(overflow.point(OVERFLOW))
        return points
