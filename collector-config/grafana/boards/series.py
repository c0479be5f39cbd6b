"""Names of series that are not ours: what the process, Prometheus and the collector report of themselves."""

from __future__ import annotations

from typing import Final, NamedTuple


class Foreign(NamedTuple):
    """A series of somebody else's; tests/self_metrics.yaml has all labels of each.

    Attributes:
        prometheus_name: What a query selects.
        attributes: Labels beside ``job`` and ``instance`` that a dashboard's variables may narrow.
    """

    prometheus_name: str
    attributes: tuple[str, ...] = ()


JOB: Final = "job"
INSTANCE: Final = "instance"
BUCKET: Final = "le"

# The process, by opentelemetry-instrumentation-system-metrics.
PROCESS_CPU: Final = Foreign("process_cpu_time_seconds_total")
PROCESS_MEMORY: Final = Foreign("process_memory_usage_bytes")

# Prometheus.
ALERTS: Final = Foreign("ALERTS")
UP: Final = Foreign("up")
SCRAPE_DURATION: Final = Foreign("scrape_duration_seconds")
SCRAPE_SAMPLES: Final = Foreign("scrape_samples_scraped")

# The collector, by the signals that it passes on: spans, and the points of metrics.
COLLECTOR_ACCEPTED: Final = {
    "spans": Foreign("otelcol_receiver_accepted_spans_total"),
    "points": Foreign("otelcol_receiver_accepted_metric_points_total"),
}
COLLECTOR_REFUSED: Final = {
    "spans": Foreign("otelcol_receiver_refused_spans_total"),
    "points": Foreign("otelcol_receiver_refused_metric_points_total"),
}
COLLECTOR_SEND_FAILED: Final = {
    "spans": Foreign("otelcol_exporter_send_failed_spans_total"),
    "points": Foreign("otelcol_exporter_send_failed_metric_points_total"),
}
COLLECTOR_ENQUEUE_FAILED: Final = {
    "spans": Foreign("otelcol_exporter_enqueue_failed_spans_total"),
    "points": Foreign("otelcol_exporter_enqueue_failed_metric_points_total"),
}
COLLECTOR_QUEUE_SIZE: Final = Foreign("otelcol_exporter_queue_size")
COLLECTOR_QUEUE_CAPACITY: Final = Foreign("otelcol_exporter_queue_capacity")
