"""Puts us onto the providers of a process, whoever made them: our configurator, another vendor's, the application."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable

from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from otel_dbmon import exporting, sdk, settings
from otel_dbmon.runtime import Runtime, logger, start
from otel_dbmon.sampling import RecordUnsampled
from otel_dbmon.scopes import is_database_scope
from otel_dbmon_processors.processor import DatabaseSpanProcessor

_attached: weakref.WeakSet[object] = weakref.WeakSet()


#: What multiprocessing starts beside the first process that it spawns: it inherits the launcher and serves nobody.
_RESOURCE_TRACKER = "from multiprocessing.resource_tracker import main"


def is_enabled() -> bool:
    """Whether neither ``OTEL_DBMON_ENABLED`` nor ``OTEL_SDK_DISABLED`` switches us off, and this is a service."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    return settings.load().enabled and not any(word.startswith(_RESOURCE_TRACKER) for word in sys.orig_argv)


def pre_instrument() -> None:
    """Attach after any distro's SDK set-up and before the instrumentors. Never raises: that would stop the launcher."""
    _guarded(attach_globals)


def post_instrument() -> None:
    """Attach to whatever came late, and fill the gaps that the instrumentors left. Never raises."""
    _guarded(attach_globals)
    _guarded(_fill_gaps)


def attach_globals() -> None:
    """Attach to the process's global providers, if there are any."""
    attach(trace.get_tracer_provider(), metrics.get_meter_provider(), get_logger_provider())


def attach(tracer_provider: object = None, meter_provider: object = None, logger_provider: object = None) -> None:
    """Attach to these providers; each once, however often this is called.

    Args:
        tracer_provider: An SDK provider or a proxy of one; anything else is left alone.
        meter_provider: Likewise.
        logger_provider: Likewise.
    """
    if not is_enabled():
        return
    runtime = start(settings.load())
    for provider, kind, attach_to in (
        (tracer_provider, TracerProvider, _attach_spans),
        (meter_provider, MeterProvider, _attach_metrics),
        (logger_provider, LoggerProvider, _attach_logs),
    ):
        found = sdk.unwrapped(provider, kind)
        if found is None or found in _attached:
            continue
        _attached.add(found)
        try:
            attach_to(runtime, found)
            runtime.ending.watch(found)
            exporting.count_losses(found, runtime.guard)
            exporting.renew_after_fork(found, runtime.guard)
        except Exception as error:  # noqa: BLE001 - the service must start without us
            runtime.guard.failed(f"attach {kind.__name__}", error)


def _attach_spans(runtime: Runtime, provider: TracerProvider) -> None:
    sdk.put_span_processor_first(provider, DatabaseSpanProcessor(runtime.pipeline))
    if runtime.settings.record_unsampled:
        sdk.wrap_samplers(provider, is_database_scope, RecordUnsampled)


def _attach_metrics(runtime: Runtime, provider: MeterProvider) -> None:
    sdk.extend_collections(provider, runtime.export.extend)
    if runtime.endpoint is not None:
        provider.add_metric_reader(runtime.endpoint.reader)
        runtime.endpoint.start()


def _attach_logs(runtime: Runtime, provider: LoggerProvider) -> None:
    sdk.put_log_processor_first(provider, runtime.log_processor)
    runtime.events.attach(provider)


def _fill_gaps() -> None:
    if is_enabled():
        from otel_dbmon import sentry
        from otel_dbmon.instrumentation import complete

        runtime = start(settings.load())
        complete(runtime)
        sentry.install(runtime)


def _guarded(step: Callable[[], None]) -> None:
    try:
        step()
    except Exception as error:  # noqa: BLE001 - an exception here aborts every other instrumentation
        logger.warning("otel-dbmon could not attach (%s); the service runs without it", type(error).__name__)
