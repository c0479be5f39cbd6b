"""What `opentelemetry-instrument` loads first: defaults for the environment, then the SDK, then ourselves onto it."""

from __future__ import annotations

import os
from typing import Any

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from opentelemetry.util._importlib_metadata import EntryPoint

from otel_dbmon import attach, scopes

#: What a service gets that says nothing; only ever set where nothing is set.
DEFAULTS = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_SEMCONV_STABILITY_OPT_IN": "database",
    # What is left is the process: the host has its own agent, and its disks and sockets are a hundred series.
    "OTEL_PYTHON_SYSTEM_METRICS_EXCLUDED_METRICS": "system.*,process.runtime.*,cpython.*",
}


class Distro(BaseDistro):  # type: ignore[misc]
    """Sets defaults and loads instrumentors, those of databases without their own meters.

    With ``OTEL_DBMON_ENABLED=false`` nothing at all is set up: statements would leave unsanitized otherwise.
    """

    def _configure(self, **kwargs: Any) -> None:
        if not attach.is_enabled():
            return
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        _take_over_prometheus()

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        """Instrument one library; contrib's database meters would double our metrics, with wrong buckets."""
        if not attach.is_enabled():
            return
        if scopes.is_database_instrumentor(entry_point.name):
            kwargs["meter_provider"] = NoOpMeterProvider()
        super().load_instrumentor(entry_point, **kwargs)


def _take_over_prometheus() -> None:
    """Let our endpoint answer where the stock exporter was asked for: that one dies with every second worker."""
    exporters = [name.strip() for name in os.environ["OTEL_METRICS_EXPORTER"].split(",")]
    if "prometheus" in exporters:
        os.environ["OTEL_METRICS_EXPORTER"] = ",".join(name for name in exporters if name != "prometheus") or "none"


class Configurator(_OTelSDKConfigurator):
    """Sets up the SDK as the environment (or ``OTEL_CONFIG_FILE``) says, then attaches us to it."""

    def _configure(self, **kwargs: Any) -> None:
        if not attach.is_enabled():
            return
        if os.environ.get("OTEL_CONFIG_FILE"):
            # A configuration file has no place for arguments, and the SDK would warn about ours.
            kwargs = {}
        super()._configure(**kwargs)  # type: ignore[no-untyped-call]
        attach.attach_globals()
