"""The one line for people who don't use the launcher: does in a running process what the launcher does before it."""

from __future__ import annotations

import os
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.util._importlib_metadata import EntryPoint, entry_points

from otel_dbmon import attach, sdk, settings
from otel_dbmon.distro import Configurator, Distro
from otel_dbmon.runtime import logger
from otel_dbmon.scopes import is_disabled_by_user


def instrument(*, service_name: str | None = None, **overrides: Any) -> None:
    """Monitor this process's databases: set up the SDK where it is not, attach to it, instrument what is installed.

    Call it once, as early as possible; further calls change nothing. Engines that exist already are found too, but a
    web framework's classes must be imported after this line.

    Args:
        service_name: ``service.name`` of this process, as ``OTEL_SERVICE_NAME`` would give it.
        **overrides: Settings by their name without ``OTEL_DBMON_``, in lower case: ``slow_query_threshold=500``.

    Raises:
        ValueError: An override is unknown or has a wrong value.

    Example:
        >>> import otel_dbmon
        >>> otel_dbmon.instrument(service_name="user-svc", slow_query_threshold=500)  # doctest: +SKIP
    """
    settings.override(overrides)
    if service_name is not None:
        os.environ["OTEL_SERVICE_NAME"] = service_name
    if not attach.is_enabled():
        return
    distro = Distro()
    distro.configure()
    if not _has_sdk():
        Configurator().configure()  # type: ignore[no-untyped-call]
    attach.pre_instrument()
    _load_instrumentors(distro)
    attach.post_instrument()


def _has_sdk() -> bool:
    traces = sdk.unwrapped(trace.get_tracer_provider(), TracerProvider)
    meters = sdk.unwrapped(metrics.get_meter_provider(), MeterProvider)
    return traces is not None or meters is not None


def _load_instrumentors(distro: Distro) -> None:
    for entry_point in entry_points(group="opentelemetry_instrumentor"):
        if not is_disabled_by_user(entry_point.name):
            _load_instrumentor(distro, entry_point)


def _load_instrumentor(distro: Distro, entry_point: EntryPoint) -> None:
    try:
        if not entry_point.load()().is_instrumented_by_opentelemetry:
            distro.load_instrumentor(entry_point, raise_exception_on_conflict=True)
    except Exception as error:  # noqa: BLE001 - one library's trouble is not the service's
        # Most often the library is not installed, or in a version that upstream refuses.
        logger.debug("otel-dbmon: instrumentation %s not loaded (%s)", entry_point.name, type(error).__name__)
