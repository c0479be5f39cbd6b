"""Names of series that are not ours: what the process, Prometheus and the collector report of themselves."""

from __future__ import annotations

from typing import Final, NamedTuple


class Foreign(NamedTuple):
    """A series from somebody else's registry.

    Attributes:
        prometheus_name: What a query selects.
        source: Who reports it.
        attributes: Labels beside ``job`` and ``instance``.
    """

    prometheus_name: str
    source: str
    attributes: tuple[str, ...] = ()


JOB: Final = "job"
INSTANCE: Final = "instance"
BUCKET: Final = "le"

PROCESS_CPU: Final = Foreign(
    "process_cpu_time_seconds_total", "opentelemetry-instrumentation-system-metrics", ("type",)
)
PROCESS_MEMORY: Final = Foreign("process_memory_usage_bytes", "opentelemetry-instrumentation-system-metrics")
PROCESS_THREADS: Final = Foreign("process_thread_count", "opentelemetry-instrumentation-system-metrics")

ALERTS: Final = Foreign("ALERTS", "Prometheus", ("alertname", "alertstate", "severity", "service"))
UP: Final = Foreign("up", "Prometheus")
SCRAPE_DURATION: Final = Foreign("scrape_duration_seconds", "Prometheus")
SCRAPE_SAMPLES: Final = Foreign("scrape_samples_scraped", "Prometheus")

FOREIGN: Final = (PROCESS_CPU, PROCESS_MEMORY, PROCESS_THREADS, ALERTS, UP, SCRAPE_DURATION, SCRAPE_SAMPLES)
