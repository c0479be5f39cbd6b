"""The neutral form of metrics: a source hands out families of cumulative points, the host turns them into the SDK's.

Values are integers, those of metrics in seconds are nanoseconds, so that differences are exact. A point's ``key`` is
the identity of its stream: as long as a source gives the same key, the value continues; a new key is a new stream
that starts at its own ``start_ns``. So no source needs to know who reads it, or how often.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from otel_dbmon_semconv.attributes import OTEL_METRIC_OVERFLOW
from otel_dbmon_semconv.declarations import Metric

NANOSECONDS = 1_000_000_000

Attributes = Mapping[str, "str | int | bool"]
#: A measurement that a histogram bucket points at: trace id, id of the database's own span, end in nanoseconds since
#: the epoch, value. A plain tuple, because one is made for every sampled statement.
Exemplar = tuple[int, int, int, int]
#: The attributes of the one series that counts whatever got no series of its own.
OVERFLOW: Attributes = {OTEL_METRIC_OVERFLOW: True}


class NumberPoint(NamedTuple):
    """The value of one counter or gauge series."""

    key: Hashable
    attributes: Attributes
    start_ns: int
    value: int


class HistogramPoint(NamedTuple):
    """The value of one histogram series; without ``minimum`` and ``maximum`` where they are not known."""

    key: Hashable
    attributes: Attributes
    start_ns: int
    counts: tuple[int, ...]
    sum: int
    minimum: int | None
    maximum: int | None
    exemplars: tuple[Exemplar, ...] = ()


Point = NumberPoint | HistogramPoint


class Family(NamedTuple):
    """All series of one metric at one moment.

    Attributes:
        metric: The registry's declaration: name, kind, unit, description.
        points: The series, without the service's name (it is added where the declaration has it). ``NumberPoint`` or,
            where the metric is a histogram, ``HistogramPoint``.
        bounds: Bucket boundaries of a histogram in the metric's unit, strictly increasing.
        total: The sum over all series there ever were, for a counter whose series come and go. What a reader has not
            been told by any of them reaches it as the overflow series, so no reader misses or double counts anything.
    """

    metric: Metric
    points: Sequence[NumberPoint] | Sequence[HistogramPoint]
    bounds: tuple[float, ...] = ()
    total: NumberPoint | None = None


class MetricSource(Protocol):
    """Anything that has metrics to give."""

    def collect(self) -> Iterable[Family]:
        """All families as they are now, cumulative since each series started. Called by several threads at once."""
        ...
