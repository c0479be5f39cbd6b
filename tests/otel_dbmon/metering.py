"""A meter provider with our metrics, and statements to count; shared by the tests of export and endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, UpDownCounter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
    Metric,
    MetricReader,
    MetricsData,
)
from opentelemetry.sdk.resources import Resource

from otel_dbmon import sdk
from otel_dbmon.export import SCOPE, MetricExport
from otel_dbmon_processors.aggregate import Aggregator
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.observation import ErrorFacts, Observation, Origin
from otel_dbmon_processors.points import MetricSource

MS = 1_000_000
DELTA = dict.fromkeys((Counter, Histogram, UpDownCounter), AggregationTemporality.DELTA)


@dataclass(frozen=True, eq=False)
class Statement:
    """What an analysis says, made up."""

    operation: str = "SELECT"
    table: str = "users"
    summary: str = "SELECT users"
    query_type: str = "select"
    complexity: str = "low"
    fingerprint: str = "00000000000000ff"


class Meters:
    """A provider whose readers get our metrics too. Its clock goes on by one second each time it is looked at."""

    def __init__(
        self,
        readers: Sequence[MetricReader] = (),
        config: Config | None = None,
        sources: Iterable[MetricSource] = (),
        service: str = "user-svc",
    ) -> None:
        seconds = count(1_700_000_000)
        self.clock_ns: Callable[[], int] = lambda: next(seconds) * 1000 * MS
        self.guard = Guard()
        self.aggregator = Aggregator(config or Config(), self.guard, self.clock_ns)
        self.export = MetricExport(self.aggregator, self.guard, sources, self.clock_ns)
        self.provider = MeterProvider(readers, Resource.create({"service.name": service}), shutdown_on_exit=False)
        sdk.extend_collections(self.provider, self.export.extend)

    def record(
        self,
        statement: Statement | None = None,
        milliseconds: float = 3,
        error: ErrorFacts | None = None,
        slow: bool = False,
        span_id: int = 0,
    ) -> None:
        """Count one run of a statement, with a sampled span if it has an id."""
        observation = Observation(
            "",
            Origin("postgresql", "shop", "db", 5432),
            start_ns=self.clock_ns(),
            duration_ns=round(milliseconds * MS),
            error=error,
            trace_id=7,
            span_id=span_id,
            sampled=span_id > 0,
        )
        self.aggregator.record(observation, statement or Statement(), slow)


def metrics_of(data: MetricsData | None) -> dict[str, Metric]:
    """Our metrics in what a reader collected, by name."""
    groups = data.resource_metrics if data is not None else ()
    scopes = [scope for group in groups for scope in group.scope_metrics if scope.scope == SCOPE]
    return {metric.name: metric for scope in scopes for metric in scope.metrics}


def collected(reader: InMemoryMetricReader) -> dict[str, Metric]:
    """Let a reader collect, and give our metrics by name."""
    return metrics_of(reader.get_metrics_data())
