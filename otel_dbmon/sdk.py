"""Reaches into the SDK's providers, where it has no public way; ``exporting.py`` does for what exports for them.

Tested on the oldest and the newest SDK that we support. Whatever is not where it is expected raises AttributeError or
TypeError, which the caller counts: the service goes on without that part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler

Extend = Callable[[MetricReader, "MetricsData | None", Resource], "MetricsData | None"]


def unwrapped(provider: object, kind: type) -> Any:
    """The SDK provider itself, also from behind a vendor's proxy; None if there is none.

    Args:
        provider: What the API's ``get_*_provider()`` returned.
        kind: The SDK's class that is looked for.
    """
    seen: set[int] = set()
    while provider is not None and id(provider) not in seen:
        if isinstance(provider, kind):
            return provider
        seen.add(id(provider))
        provider = getattr(provider, "provider", None) or getattr(provider, "_real_provider", None)
    return None


def put_span_processor_first(provider: TracerProvider, processor: SpanProcessor) -> None:
    """Add a processor before all others, so that its ``on_end`` fallback runs before any exporter's."""
    group = provider._active_span_processor
    with group._lock:
        group._span_processors = (processor, *group._span_processors)


def put_log_processor_first(provider: LoggerProvider, processor: LogRecordProcessor) -> None:
    """Add a log record processor before all others: the record is shared, so all exporters see what it changed."""
    group: Any = provider._multi_log_record_processor
    with group._lock:
        group._log_record_processors = (processor, *group._log_record_processors)


def wrap_samplers(provider: TracerProvider, applies: Callable[[str], bool], wrap: Callable[[Sampler], Sampler]) -> None:
    """Give the tracers of some scopes another sampler, those that exist and those still to come.

    Args:
        provider: The provider whose tracers are meant.
        applies: Says for a scope's name whether its tracer is meant.
        wrap: Makes the new sampler from the tracer's own.
    """
    get_tracer = provider.get_tracer

    def wrap_tracer(name: str, tracer: Any) -> None:
        if applies(name) and hasattr(tracer, "sampler") and not getattr(tracer, "_dbmon_sampler", False):
            tracer.sampler = wrap(tracer.sampler)
            tracer._dbmon_sampler = True

    def get_wrapped_tracer(instrumenting_module_name: str, *args: Any, **kwargs: Any) -> Any:
        tracer = get_tracer(instrumenting_module_name, *args, **kwargs)
        wrap_tracer(instrumenting_module_name, tracer)
        return tracer

    provider.get_tracer = get_wrapped_tracer  # type: ignore[method-assign]
    for scope, tracer in tuple(getattr(provider, "_tracers", {}).items()):
        wrap_tracer(scope.name, tracer)


def extend_collections(provider: MeterProvider, extend: Extend) -> None:
    """Let ``extend`` add to what each reader collects: readers that exist and readers added later.

    The SDK has no MetricProducer; readers call back into the provider's measurement consumer, looked up when a reader
    is added, so that is where the points join.
    """
    consumer: Any = provider._measurement_consumer
    collect = consumer.collect

    def collect_extended(metric_reader: MetricReader, *args: Any, **kwargs: Any) -> MetricsData | None:
        return extend(metric_reader, collect(metric_reader, *args, **kwargs), resource_of(provider))

    consumer.collect = collect_extended
    for reader in readers_of(provider):
        reader._set_collect_callback(collect_extended)  # type: ignore[arg-type]


def readers_of(provider: MeterProvider) -> list[MetricReader]:
    """The provider's readers, later ones included."""
    return list(provider._measurement_consumer._reader_storages)


def resource_of(provider: MeterProvider) -> Resource:
    """The provider's resource as it is now: a fork gives the child another ``service.instance.id``."""
    return provider._sdk_config.resource
