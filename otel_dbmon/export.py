"""Adds our points to what a metric reader collects: neutral families go in, the SDK's metrics come out.

Sources count cumulatively and know no reader. Each reader gets its own view of them: cumulative or delta, metric kind
by metric kind as it prefers, from the moment of its own last collection. Histograms have always explicit buckets,
whatever aggregation the reader prefers; that is a preference for instruments of the SDK.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.metrics import Counter, Exemplar, Histogram, UpDownCounter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    HistogramDataPoint,
    Metric,
    MetricReader,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_dbmon import __version__
from otel_dbmon.fork import run_in_forked_children
from otel_dbmon.scopes import is_database_scope
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.points import (
    NANOSECONDS,
    OVERFLOW,
    Attributes,
    Family,
    HistogramPoint,
    MetricSource,
    NumberPoint,
    Point,
)
from otel_dbmon_semconv.attributes import LABEL_SERVICE, SERVICE_NAME

SCOPE = InstrumentationScope("otel_dbmon", __version__)

# By which instrument's preference a reader is asked how it wants a kind of metric.
_INSTRUMENTS: Mapping[str, type] = {"counter": Counter, "updowncounter": UpDownCounter, "histogram": Histogram}


class MetricExport:
    """Extends the collections of any number of readers. Thread safe; never raises into a reader.

    Args:
        aggregator: Where the metrics of statements, and of our own health, come from.
        guard: Counts our failures.
        sources: Where more metrics come from, connection pools for one.
        clock_ns: Nanoseconds since the epoch.
    """

    def __init__(
        self,
        aggregator: MetricSource,
        guard: Guard,
        sources: Iterable[MetricSource] = (),
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._sources = (aggregator, *sources)
        self._guard = guard
        self._clock_ns = clock_ns
        self._views: weakref.WeakKeyDictionary[MetricReader, _View]
        self.reset()
        run_in_forked_children(self.reset)

    def reset(self) -> None:
        """Forget what readers were told and renew the locks; happens in a forked child by itself."""
        self._lock = threading.RLock()
        self._views = weakref.WeakKeyDictionary()

    def extend(self, reader: MetricReader, data: MetricsData | None, resource: Resource) -> MetricsData | None:
        """What the reader collected, with our metrics and without those of the SDK's database instrumentations.

        Theirs count the same statements as ours do, by the same names.

        Args:
            reader: Who collects.
            data: What it collected from the SDK.
            resource: The provider's resource now; its ``service.name`` becomes the label ``service``.
        """
        try:
            return _joined(data, self._collect(reader, resource), resource)
        except Exception as error:  # noqa: BLE001 - the reader must get at least what the SDK has for it
            self._guard.failed("export", error)
            return data

    def _collect(self, reader: MetricReader, resource: Resource) -> list[Metric]:
        with self._lock:
            view = self._views.get(reader)
            if view is None:
                view = self._views[reader] = _View(reader)
        service = str(resource.attributes.get(SERVICE_NAME, ""))
        # A reader that collects twice at once is told one after the other, or its deltas would cross.
        with view.lock:
            return [metric for source in self._sources for metric in self._metrics(source, view, service)]

    def _metrics(self, source: MetricSource, view: _View, service: str) -> Iterator[Metric]:
        try:
            for family in source.collect():
                metric = view.tell(family, service, self._clock_ns())
                if metric is not None:
                    yield metric
        except Exception as error:  # noqa: BLE001 - one source must not hide the others
            self._guard.failed("metrics", error)


class _Told:
    """What a reader knows of one metric.

    Attributes:
        points: What it was last told of each stream.
        time_ns: When that was.
        total: Identity of the total that the streams are parts of, where they come and go.
        gone: Sum over the streams that ended, as it was last told of them.
    """

    __slots__ = ("gone", "points", "time_ns", "total")

    def __init__(self, points: Mapping[Hashable, Point], time_ns: int, total: Hashable = None, gone: int = 0) -> None:
        self.points = points
        self.time_ns = time_ns
        self.total = total
        self.gone = gone


_NOTHING = _Told({}, 0)
_NO_ATTRIBUTES: Attributes = {}


class _View:
    """What one reader was told, so that it gets the difference, or its own remainder."""

    def __init__(self, reader: MetricReader) -> None:
        self.lock = threading.RLock()
        self._temporality = {kind: _temporality(reader, instrument) for kind, instrument in _INSTRUMENTS.items()}
        self._told: dict[str, _Told] = {}

    def tell(self, family: Family, service: str, now_ns: int) -> Metric | None:
        """The metric as this reader wants it, or None if there is nothing to say; remembers it only when it is made."""
        temporality = self._temporality.get(family.metric.kind, AggregationTemporality.CUMULATIVE)
        told = self._told.get(family.metric.name, _NOTHING)
        points: Sequence[Point] = family.points
        total, gone = family.total, 0
        if total is not None:
            remainder, gone = _remainder(family, total, told)
            points = [*points, remainder] if remainder.value else points
        news = points
        if temporality is AggregationTemporality.DELTA:
            news = [change for change in (_since(told, point) for point in points) if change is not None]
        metric = _metric(family, news, temporality, service, now_ns) if news else None
        if total is not None or temporality is AggregationTemporality.DELTA:
            # Without their attributes, which are of no use here and most of a point's size.
            known = {point.key: point._replace(attributes=_NO_ATTRIBUTES) for point in points}
            self._told[family.metric.name] = _Told(known, now_ns, total.key if total is not None else None, gone)
        return metric


def _temporality(reader: MetricReader, instrument: type) -> AggregationTemporality:
    # Its keys are the SDK's private subclasses of the public instrument classes.
    preferences: Mapping[type, AggregationTemporality] = getattr(reader, "_instrument_class_temporality", {})
    preferred = (temporality for kind, temporality in preferences.items() if issubclass(kind, instrument))
    return next(preferred, AggregationTemporality.CUMULATIVE)


def _remainder(family: Family, total: NumberPoint, told: _Told) -> tuple[NumberPoint, int]:
    """The stream of everything that no other stream told this reader, and what ended streams told it.

    It never falls: the total grows by at least as much as the streams do, and what ended keeps its last told value.
    """
    values = {point.key: point.value for point in family.points if isinstance(point, NumberPoint)}
    gone = 0
    if told.total is total.key:
        ended = (point for key, point in told.points.items() if key not in values and key is not total.key)
        gone = told.gone + sum(point.value for point in ended if isinstance(point, NumberPoint))
    value = total.value - gone - sum(values.values())
    return NumberPoint(total.key, OVERFLOW, total.start_ns, value), gone


def _since(told: _Told, point: Point) -> Point | None:
    """What happened to a stream since it was last told of; None if nothing did."""
    before = told.points.get(point.key)
    if before is None:
        return point
    if isinstance(point, NumberPoint) and isinstance(before, NumberPoint):
        change = point.value - before.value
        return point._replace(start_ns=told.time_ns, value=change) if change else None
    if isinstance(point, HistogramPoint) and isinstance(before, HistogramPoint):
        counts = tuple(now - then for now, then in zip(point.counts, before.counts, strict=True))
        if not any(counts):
            return None
        fresh = tuple(exemplar for exemplar in point.exemplars if exemplar not in before.exemplars)
        # The extremes since then are not known: a cumulative minimum says nothing about the last interval.
        return HistogramPoint(
            point.key, point.attributes, told.time_ns, counts, point.sum - before.sum, None, None, fresh
        )
    return point


def _metric(
    family: Family, points: Sequence[Point], temporality: AggregationTemporality, service: str, now_ns: int
) -> Metric:
    metric = family.metric
    labels = {LABEL_SERVICE: service} if LABEL_SERVICE in metric.attributes else {}
    divisor = NANOSECONDS if metric.unit == "s" else 1
    numbers = [_number(point, labels, divisor, now_ns) for point in points if isinstance(point, NumberPoint)]
    data: Gauge | Sum | HistogramData
    if metric.kind == "histogram":
        histograms = [point for point in points if isinstance(point, HistogramPoint)]
        data = HistogramData(
            [_histogram(point, labels, divisor, family.bounds, now_ns) for point in histograms], temporality
        )
    elif metric.kind == "gauge":
        data = Gauge(numbers)
    else:
        data = Sum(numbers, temporality, is_monotonic=metric.kind == "counter")
    return Metric(metric.name, metric.description, metric.unit, data)


def _number(point: NumberPoint, labels: Mapping[str, str], divisor: int, now_ns: int) -> NumberDataPoint:
    value = point.value if divisor == 1 else point.value / divisor
    return NumberDataPoint({**labels, **point.attributes}, min(point.start_ns, now_ns), now_ns, value)


def _histogram(
    point: HistogramPoint, labels: Mapping[str, str], divisor: int, bounds: tuple[float, ...], now_ns: int
) -> HistogramDataPoint:
    exemplars = [
        Exemplar({}, value / divisor, end_ns, span_id, trace_id) for trace_id, span_id, end_ns, value in point.exemplars
    ]
    # Both are optional in OTLP, and every exporter here takes None, though the SDK's own histograms never have it.
    minimum: Any = None if point.minimum is None else point.minimum / divisor
    maximum: Any = None if point.maximum is None else point.maximum / divisor
    return HistogramDataPoint(
        {**labels, **point.attributes},
        min(point.start_ns, now_ns),
        now_ns,
        sum(point.counts),
        point.sum / divisor,
        point.counts,
        bounds,
        minimum,
        maximum,
        exemplars,
    )


def _joined(data: MetricsData | None, ours: Sequence[Metric], resource: Resource) -> MetricsData | None:
    groups = []
    for group in data.resource_metrics if data is not None else ():
        scopes = [scope for scope in group.scope_metrics if not is_database_scope(scope.scope.name)]
        # One group for each resource: the OTLP encoder lets the second of the same resource replace the first.
        if ours and group.resource == resource:
            scopes.append(_scope_metrics(ours))
            ours = ()
        if scopes:
            groups.append(ResourceMetrics(group.resource, scopes, group.schema_url))
    if ours:
        groups.append(ResourceMetrics(resource, [_scope_metrics(ours)], resource.schema_url))
    return MetricsData(groups) if groups else None


def _scope_metrics(metrics: Sequence[Metric]) -> ScopeMetrics:
    return ScopeMetrics(SCOPE, metrics, SCOPE.schema_url or "")
