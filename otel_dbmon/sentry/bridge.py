"""Meets each Sentry client: links it, puts our hooks last, and lets it hear what the pipeline finds."""

from __future__ import annotations

import atexit
import weakref
from typing import TYPE_CHECKING, Any

from opentelemetry import propagate

from otel_dbmon.fork import run_in_forked_children
from otel_dbmon.sentry import hooks, link
from otel_dbmon.sentry.event import Events
from otel_dbmon.sentry.limits import Limits
from otel_dbmon.sentry.scrub import Scrubber
from otel_dbmon.sentry.sender import Sender
from otel_dbmon.sentry.story import Stories

if TYPE_CHECKING:
    from opentelemetry.propagators.textmap import TextMapPropagator

    from otel_dbmon.runtime import Runtime

#: What our own events carry in their hint, so that the last hook knows them.
OWN = "otel_dbmon"
#: How long an event waits for its statement's plan, which nobody asks for any more after that time.
_PATIENCE_S = 2.0


class Bridge:
    """Between one process's runtime and its Sentry clients. Nothing here raises into the application.

    Args:
        runtime: Whose findings are told and whose settings hold.
    """

    def __init__(self, runtime: Runtime) -> None:
        settings = runtime.settings
        self._runtime = runtime
        self._guard = runtime.guard
        self._met: weakref.WeakSet[Any] = weakref.WeakSet()
        self._events = Events(runtime.pools, settings.query_text)
        self._scrubber = Scrubber(
            runtime.log_processor.safe,
            lambda text, system: runtime.pipeline.analyzer.analyze(text, system).sanitized,
            keep_variables=settings.sentry_variables,
            redact_urls=settings.redact_urls,
        )
        self._stories = Stories(runtime.pipeline.requests, self._events)
        self._propagator = link.SentryTracePropagator(_traces_itself)
        self._timeout_s = settings.shutdown_timeout / 1000
        self.sender: Sender | None = None

    def before_client(self) -> TextMapPropagator:
        """What a client that is about to be made may replace."""
        return propagate.get_global_textmap()

    def meet(self, client: Any, before: TextMapPropagator | None) -> None:
        """Do all there is to do with a client, once; one that sends nothing is left alone.

        Args:
            client: A client that was made just now or, if it comes first, some time ago.
            before: What :meth:`before_client` gave, None for a client that was there before us.
        """
        try:
            if client in self._met or (client.transport is None and client.spotlight is None):
                return
            self._met.add(client)
            hooks.protect(client.options, self._scrubber, self._stories, self._guard, OWN)
            link.link_events()
            link.compose_propagators(before, self._propagator)
            self._tell_findings()
        except Exception as error:  # noqa: BLE001 - the application is initialising Sentry
            self._guard.failed("sentry", error)

    def _tell_findings(self) -> None:
        settings, pipeline = self._runtime.settings, self._runtime.pipeline
        pipeline.requests.tells_stories = True
        if not settings.sentry_events_per_minute:
            return
        if self.sender is None:
            self.sender = Sender(
                lambda: Limits(settings.sentry_interval / 1000, settings.sentry_events_per_minute),
                self._capture,
                _flush,
                self._guard,
                self._timeout_s,
            )
            run_in_forked_children(self.sender.reset)
            pipeline.subscribe(self._found)
            self._runtime.ending.watch_outlet(self.sender)
        # Sentry closes its client at exit, by a handler that was registered just now: ours has to run before that.
        atexit.unregister(self._finish)
        atexit.register(self._finish)

    def _found(self, finding: Any) -> None:
        if finding.alert and self.sender is not None:
            self.sender.put(self._events.told(finding))

    def _capture(self, told: Any, suppressed: int) -> None:
        import sentry_sdk

        client = sentry_sdk.get_client()
        plan = told.finding.plan
        if plan is not None and self.sender is not None and not self.sender.is_ending:
            plan.wait(_PATIENCE_S)
        event = self._events.event_of(told, suppressed)
        client.capture_event(event, hint={OWN: True}, scope=sentry_sdk.get_global_scope())

    def _finish(self) -> None:
        if self.sender is not None:
            self.sender.finish_within(self._timeout_s)


def _flush(timeout_s: float) -> None:
    import sentry_sdk

    sentry_sdk.get_client().flush(timeout=timeout_s)


def _traces_itself() -> bool:
    import sentry_sdk

    options = sentry_sdk.get_client().options
    return options.get("traces_sample_rate") is not None or options.get("traces_sampler") is not None
