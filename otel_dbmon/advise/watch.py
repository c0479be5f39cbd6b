"""Advice comes in again and again, the number of suggested indexes goes out as a metric, for an alert to fire on."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader

from otel_dbmon.advise.advice import Advice
from otel_dbmon.prometheus import PrometheusEndpoint
from otel_dbmon.settings import load
from otel_dbmon_semconv import metrics as names

_SCOPE = "otel_dbmon.advise"


class Publisher:
    """Shows the latest advice to a Prometheus server that asks, or sends it by OTLP.

    Args:
        service: The service that suggestions count for where the workload does not say whose statements they help.
        by_otlp: Whether to send instead of being asked.
    """

    def __init__(self, service: str, by_otlp: bool = False) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], int] = {}
        self._endpoint: PrometheusEndpoint | None = None
        self._provider = MeterProvider(metric_readers=[self._reader(by_otlp)])
        metric = names.DATABASE_INDEX_SUGGESTIONS
        self._provider.get_meter(_SCOPE).create_observable_gauge(
            metric.name, callbacks=[self._observe], unit=metric.unit, description=metric.description
        )

    def _reader(self, by_otlp: bool) -> MetricReader:
        if by_otlp:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

            return PeriodicExportingMetricReader(OTLPMetricExporter())
        self._endpoint = PrometheusEndpoint.from_environment(load())
        return self._endpoint.reader

    def start(self) -> int | None:
        """Start to publish; answers the port of the Prometheus endpoint."""
        if self._endpoint is None:
            return None
        self._endpoint.start()
        return self._endpoint.port

    def publish(self, advice: Advice) -> None:
        """Let this advice be the latest. What is no longer suggested is told of as 0, so that an alert ends."""
        counts = counted(advice, self._service)
        with self._lock:
            self._counts = {**dict.fromkeys(self._counts, 0), **counts}

    def close(self) -> None:
        """Send what is left, and stop."""
        self._provider.shutdown()

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            counts = dict(self._counts)
        return [Observation(count, {"service": service, "table": table}) for (service, table), count in counts.items()]


def counted(advice: Advice, service: str) -> dict[tuple[str, str], int]:
    """How many indexes are suggested for each service and table; one that helps two services counts for both."""
    counts: dict[tuple[str, str], int] = {}
    for suggestion in advice.suggestions:
        senders: Sequence[str] = sorted(
            {sender for helped in suggestion.helped for sender in helped.query.statement.services}
        )
        for sender in senders or (service,):
            key = (sender, suggestion.table.label)
            counts[key] = counts.get(key, 0) + 1
    return counts
