"""The metric export, as metric readers and the OTLP encoder see it."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from metering import DELTA, MS, Meters, Statement, collected, metrics_of
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import Histogram
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation

from otel_dbmon import __version__
from otel_dbmon.export import MetricExport
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.observation import ErrorFacts
from otel_dbmon_processors.points import Family, HistogramPoint, NumberPoint
from otel_dbmon_semconv import metrics

ORDERS = Statement(table="orders", summary="SELECT orders", fingerprint="0000000000000001")


def test_the_encoder_of_otlp_takes_everything() -> None:
    """What a collector gets has our scope, the declared names and units, and the service's label."""
    reader = InMemoryMetricReader()
    meters = Meters([reader])
    meters.record(error=ErrorFacts("timeout", "x.Y", "57014"), slow=True, span_id=5)
    meters.guard.failures["analysis"] += 1

    [group] = encode_metrics(reader.get_metrics_data()).resource_metrics
    [scope] = group.scope_metrics
    encoded = {metric.name: metric for metric in scope.metrics}

    assert (scope.scope.name, scope.scope.version) == ("otel_dbmon", __version__)
    declared = {metric.name: metric for metric in metrics.METRICS}
    assert set(encoded) == {
        name
        for name in declared
        if not name.startswith(("database.connection", "database.index", "database.plan", "db.client.conn"))
    }
    for name, metric in encoded.items():
        assert (metric.unit, metric.description) == (declared[name].unit, declared[name].description)
    [point] = encoded["database.query.duration"].histogram.data_points
    assert {attribute.key: attribute.value.string_value for attribute in point.attributes} == {
        "service": "user-svc",
        "operation": "SELECT",
        "table": "users",
        "database": "shop",
    }
    assert (point.count, point.sum, point.min, point.max) == (1, 0.003, 0.003, 0.003)
    [exemplar] = point.exemplars
    assert (exemplar.as_double, exemplar.span_id, exemplar.trace_id) == (
        0.003,
        bytes([0] * 7 + [5]),
        bytes([0] * 15 + [7]),
    )
    assert point.start_time_unix_nano <= exemplar.time_unix_nano <= point.time_unix_nano


def test_only_metrics_that_declare_it_carry_the_service() -> None:
    """The conventions' family and our health keep to their own attributes."""
    reader = InMemoryMetricReader()
    meters = Meters([reader])
    meters.record()

    told = collected(reader)
    labelled = {name for name, metric in told.items() if "service" in metric.data.data_points[0].attributes}

    assert labelled == {metric.name for metric in metrics.METRICS if "service" in metric.attributes} & set(told)


def test_a_cumulative_reader_is_told_the_sum_so_far() -> None:
    """Start time and identity stay, values and extremes grow."""
    reader = InMemoryMetricReader()
    meters = Meters([reader])
    meters.record(milliseconds=3)
    [first] = collected(reader)["database.query.duration"].data.data_points
    meters.record(milliseconds=1)
    [second] = collected(reader)["database.query.duration"].data.data_points

    assert (first.count, second.count) == (1, 2)
    assert second.start_time_unix_nano == first.start_time_unix_nano < first.time_unix_nano < second.time_unix_nano
    assert (second.sum, second.min, second.max) == (0.004, 0.001, 0.003)


def test_a_delta_reader_is_told_what_is_new() -> None:
    """Its intervals touch, a new exemplar is told once, and extremes that are not known are left out."""
    reader = InMemoryMetricReader(preferred_temporality=DELTA)
    meters = Meters([reader])
    meters.record(milliseconds=3, span_id=1)
    [first] = collected(reader)["database.query.duration"].data.data_points
    meters.record(milliseconds=70, span_id=2)
    data = reader.get_metrics_data()
    metric = metrics_of(data)["database.query.duration"]
    [second] = metric.data.data_points

    assert metric.data.aggregation_temporality == AggregationTemporality.DELTA
    assert (first.count, first.sum, first.max, [e.span_id for e in first.exemplars]) == (1, 0.003, 0.003, [1])
    assert (second.count, second.sum, second.max, [e.span_id for e in second.exemplars]) == (1, 0.07, None, [2])
    assert second.start_time_unix_nano == first.time_unix_nano
    assert encode_metrics(data)


def test_a_delta_reader_is_told_nothing_when_nothing_happened() -> None:
    """A quiet service sends no points."""
    reader = InMemoryMetricReader(preferred_temporality=DELTA)
    meters = Meters([reader])
    meters.record()
    first = collected(reader)
    meters.record()
    second = collected(reader)

    assert "database.errors" in first
    assert "database.errors" not in second
    assert "database.query.duration" in second
    assert not collected(reader)


def test_a_reader_chooses_for_each_kind_of_metric() -> None:
    """Histograms as deltas and counters as sums is what LOWMEMORY-like preferences ask for."""
    reader = InMemoryMetricReader(preferred_temporality={Histogram: AggregationTemporality.DELTA})
    meters = Meters([reader])
    for _ in range(2):
        meters.record()
        told = collected(reader)

    assert told["database.query.duration"].data.data_points[0].count == 1
    assert told["database.query.complexity"].data.data_points[0].value == 2


def test_a_preference_for_exponential_histograms_breaks_nothing() -> None:
    """Ours stay explicit; the reader's own instruments get what it prefers."""
    reader = InMemoryMetricReader(preferred_aggregation={Histogram: ExponentialBucketHistogramAggregation()})
    meters = Meters([reader])
    meters.provider.get_meter("theirs").create_histogram("theirs").record(1)
    meters.record()

    data = reader.get_metrics_data()

    assert metrics_of(data)["database.query.duration"].data.data_points[0].count == 1
    assert encode_metrics(data)


def test_a_reader_added_later_is_served() -> None:
    """With what was counted before, too."""
    meters = Meters()
    meters.record()
    reader = InMemoryMetricReader()
    meters.provider.add_metric_reader(reader)

    assert collected(reader)["database.query.duration"].data.data_points[0].count == 1


def test_a_periodic_reader_pushes_our_metrics() -> None:
    """The path to a collector."""
    exported: list[MetricsData] = []

    class Exporter(MetricExporter):
        def export(self, metrics_data: MetricsData, timeout_millis: float = 0, **kwargs: Any) -> MetricExportResult:
            exported.append(metrics_data)
            return MetricExportResult.SUCCESS

        def force_flush(self, timeout_millis: float = 0) -> bool:
            return True

        def shutdown(self, timeout_millis: float = 0, **kwargs: Any) -> None:
            pass

    meters = Meters([PeriodicExportingMetricReader(Exporter(), export_interval_millis=float("inf"))])
    meters.record()
    meters.provider.force_flush()

    assert "database.query.duration" in metrics_of(exported[0])


@pytest.mark.parametrize(
    ("scope", "kept"),
    [
        ("opentelemetry.instrumentation.psycopg", False),
        ("opentelemetry.instrumentation.sqlalchemy", False),
        ("opentelemetry.instrumentation.redis", True),
        ("app", True),
    ],
)
def test_metrics_of_database_instrumentations_are_left_out(scope: str, kept: bool) -> None:
    """They count the same statements by the same names; everybody else's stay."""
    reader = InMemoryMetricReader()
    meters = Meters([reader])
    meters.provider.get_meter(scope).create_counter("db.client.operation.duration").add(1)

    [group] = reader.get_metrics_data().resource_metrics  # type: ignore[union-attr]

    assert (scope in [found.scope.name for found in group.scope_metrics]) is kept


def test_ours_join_the_group_of_the_same_resource() -> None:
    """Of two groups with one resource the OTLP encoder would lose the first."""
    reader = InMemoryMetricReader()
    meters = Meters([reader])
    meters.provider.get_meter("app").create_counter("app.requests").add(1)
    meters.record()

    [group] = encode_metrics(reader.get_metrics_data()).resource_metrics

    assert [scope.scope.name for scope in group.scope_metrics] == ["app", "otel_dbmon"]


class Pools:
    """A source with metrics of a pool."""

    def __init__(self) -> None:
        self.active = 3
        self.waits = 0

    def collect(self) -> Iterable[Family]:
        """One of each kind that the aggregator has not."""
        labels = {"database": "shop", "pool": "main"}
        waits = HistogramPoint("waits", labels, MS, (self.waits, 0), self.waits * MS, None, None)
        yield Family(metrics.DATABASE_CONNECTIONS_ACTIVE, [NumberPoint("active", labels, MS, self.active)])
        yield Family(metrics.DATABASE_INDEX_SUGGESTIONS, [NumberPoint("orders", {"table": "orders"}, MS, 2)])
        yield Family(metrics.DATABASE_CONNECTION_WAIT_TIME, [waits], bounds=(0.1,))


def test_other_sources_give_gauges_up_down_counters_and_histograms() -> None:
    """Pools and advisors have metrics that go up and down."""
    reader = InMemoryMetricReader()
    Meters([reader], sources=[Pools()])

    told = collected(reader)

    active = told["database.connections.active"]
    assert (active.data.data_points[0].value, active.data.is_monotonic, active.unit) == (3, False, "")
    assert active.data.data_points[0].attributes == {"service": "user-svc", "database": "shop", "pool": "main"}
    assert told["database.index.suggestions"].data.data_points[0].value == 2
    assert told["database.connection.wait_time"].data.data_points[0].explicit_bounds == (0.1,)


def test_an_up_down_counter_falls_in_deltas() -> None:
    """A reader that wants changes is told negative ones too; a gauge is told as it is."""
    pools = Pools()
    reader = InMemoryMetricReader(preferred_temporality=DELTA)
    Meters([reader], sources=[pools])
    collected(reader)
    pools.active, pools.waits = 1, 4
    told = collected(reader)

    assert told["database.connections.active"].data.data_points[0].value == -2
    assert told["database.connection.wait_time"].data.data_points[0].bucket_counts == (4, 0)
    assert told["database.index.suggestions"].data.data_points[0].value == 2


def test_a_source_that_fails_hides_no_other() -> None:
    """It is counted, and the reader gets the rest."""

    class Broken:
        def collect(self) -> Iterator[Family]:
            raise RuntimeError("secret")
            yield

    reader = InMemoryMetricReader()
    meters = Meters([reader], sources=[Broken(), Pools()])
    meters.record()

    told = collected(reader)

    assert {"database.query.duration", "database.connections.active"} <= set(told)
    assert meters.guard.failures == {"metrics": 1}


def test_a_reader_gets_what_the_sdk_has_when_we_fail() -> None:
    """An exception of ours never reaches a reader."""
    guard = Guard()
    theirs = MetricsData([])

    assert MetricExport(Pools(), guard).extend(None, theirs, None) is theirs  # type: ignore[arg-type]
    assert guard.failures["export"] == 1


def test_a_reader_that_is_gone_leaves_nothing_behind() -> None:
    """What a reader was told lives as long as the reader."""
    meters = Meters()
    reader = InMemoryMetricReader(preferred_temporality=DELTA)
    meters.provider.add_metric_reader(reader)
    collected(reader)
    gone = weakref.ref(reader)
    meters.provider.remove_metric_reader(reader)
    del reader
    gc.collect()

    assert gone() is None


def test_a_pattern_that_lost_its_series_is_told_by_the_overflow() -> None:
    """A reader that saw only some of its calls is told the others; nothing is told twice."""
    reader, late = InMemoryMetricReader(), InMemoryMetricReader(preferred_temporality=DELTA)
    meters = Meters([reader, late], Config(top_queries=1))
    meters.record(milliseconds=10)
    first = collected(reader)["database.query.pattern.calls"].data.data_points
    meters.record(milliseconds=10)
    meters.record(ORDERS, milliseconds=100)
    second = collected(reader)["database.query.pattern.calls"].data.data_points
    delta = collected(late)["database.query.pattern.calls"].data.data_points

    assert [(point.attributes.get("summary"), point.value) for point in first] == [("SELECT users", 1)]
    assert [(point.attributes.get("summary"), point.value) for point in second] == [("SELECT orders", 0), (None, 2)]
    assert [(point.attributes.get("summary"), point.value) for point in delta] == [("SELECT orders", 0), (None, 3)]
    assert second[-1].attributes == {"service": "user-svc", "otel.metric.overflow": True}


def test_nothing_is_lost_while_threads_record_and_readers_collect() -> None:
    """Eight threads record, three readers collect, one of them from two threads: every total is exact."""
    cumulative = InMemoryMetricReader()
    deltas = [InMemoryMetricReader(preferred_temporality=DELTA) for _ in range(2)]
    meters = Meters([cumulative, *deltas], Config(top_queries=2, max_series=5, cache_size=16))
    statements = [Statement(table=f"t{n}", fingerprint=f"{n:016x}") for n in range(12)]
    sums = {id(reader): [0, 0, 0] for reader in deltas}
    stop, lock, rounds = threading.Event(), threading.Lock(), 60

    def record() -> None:
        for _ in range(rounds):
            for statement in statements:
                meters.record(statement, slow=True)

    def collect(reader: InMemoryMetricReader) -> None:
        while not stop.is_set():
            add(reader)

    def add(reader: InMemoryMetricReader) -> None:
        told = collected(reader)
        if id(reader) in sums:
            with lock:
                sums[id(reader)] = [a + b for a, b in zip(sums[id(reader)], _totals(told), strict=True)]

    recorders = [threading.Thread(target=record) for _ in range(8)]
    collectors = [threading.Thread(target=collect, args=(r,)) for r in (cumulative, *deltas, deltas[0])]
    for thread in (*recorders, *collectors):
        thread.start()
    for thread in recorders:
        thread.join()
    stop.set()
    for thread in collectors:
        thread.join()
    for reader in deltas:
        add(reader)

    recorded = 8 * rounds * len(statements)
    assert list(sums.values()) == [[recorded] * 3] * 2
    assert _totals(collected(cumulative))[:2] == [recorded] * 2
    assert not meters.guard.failures


def _totals(told: dict[str, Any]) -> list[int]:
    return [
        sum(point.count for point in told["database.query.duration"].data.data_points) if told else 0,
        sum(point.value for point in told["database.slow_queries"].data.data_points) if told else 0,
        sum(point.value for point in told["database.query.pattern.calls"].data.data_points) if told else 0,
    ]
