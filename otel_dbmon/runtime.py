"""Holds everything of ours in one process, made once from the settings and started anew in a forked child."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING

from otel_dbmon.ending import Ending
from otel_dbmon.events import FindingEvents
from otel_dbmon.export import MetricExport
from otel_dbmon.live import LivePages
from otel_dbmon.logs import SafeLogRecords
from otel_dbmon.pools import Pools
from otel_dbmon.prometheus import PrometheusEndpoint
from otel_dbmon.settings import Settings
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.pipeline import Pipeline

if TYPE_CHECKING:
    from otel_dbmon.explain.explainer import Explainer

logger = logging.getLogger("otel_dbmon")


class Runtime:
    """The pipeline and everything around it, for one process.

    Attributes:
        settings: Where all of it comes from.
        guard: Counts our failures and drops.
        pipeline: The path of one statement.
        events: Emits findings as log events.
        log_processor: Makes error texts in log records safe.
        pools: Connection pools, as far as they were seen.
        export: Adds our points to what metric readers collect.
        endpoint: The Prometheus endpoint, or None where it is switched off.
        ending: Exports what is left when the process ends.
        explainer: Asks for the plans of slow statements, or None where nobody wants them.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.guard = Guard()
        self.pipeline = Pipeline(settings.config(), self.guard)
        self.events = FindingEvents(self.guard, settings.query_text)
        self.pipeline.subscribe(self.events.tell)
        self.log_processor = SafeLogRecords(self.guard)
        self.pools = Pools(self.pipeline.config, self.guard, settings.pools)
        self.export = MetricExport(self.pipeline.aggregator, self.guard, [self.pools] if settings.pools else [])
        self.endpoint = self._endpoint() if settings.prometheus else None
        self.ending = Ending(settings.shutdown_timeout / 1000, self._has_counted, self.guard)
        self.explainer = self._explainer()
        self.ending.install()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)

    def _explainer(self) -> Explainer | None:
        if self.settings.explain == "off":
            return None
        from otel_dbmon.explain.explainer import Explainer

        explainer = Explainer(self.pipeline, self.settings.explain_interval / 1000)
        self.ending.watch_holding(explainer)
        return explainer

    def _endpoint(self) -> PrometheusEndpoint:
        live = None if self.settings.live == "never" else LivePages(self.pipeline, self.settings.query_text)
        return PrometheusEndpoint.from_environment(self.settings, self.guard, live)

    def _has_counted(self) -> bool:
        return any(family.points for family in self.pipeline.aggregator.collect() if family.metric.kind == "histogram")

    def _reset(self) -> None:
        self.pipeline.reset()
        self.export.reset()


_lock = threading.Lock()
_runtime: Runtime | None = None


def start(settings: Settings) -> Runtime:
    """The process's runtime, made from these settings if there is none yet."""
    global _runtime
    with _lock:
        if _runtime is None:
            _runtime = Runtime(settings)
        return _runtime


def current() -> Runtime | None:
    """The process's runtime, or None before the first :func:`start`."""
    return _runtime
