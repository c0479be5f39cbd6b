"""Gives an error event the trace and the database's side of the request that it happened in."""

from __future__ import annotations

from typing import Any

from opentelemetry import trace

from otel_dbmon.sentry.event import Events
from otel_dbmon.sentry.scrub import chain_of
from otel_dbmon_processors.requests import Requests


class Stories:
    """Finds the request of an event that is being captured right now, in the thread where it happened.

    Args:
        requests: The requests in flight, and those that ended lately.
        events: Says what there is to say of a request.
    """

    def __init__(self, requests: Requests, events: Events) -> None:
        self._requests = requests
        self._events = events

    def add(self, event: dict[str, Any], hint: Any) -> None:
        """Add ``contexts.trace`` and ``contexts.database``; what the application has put there itself stays.

        Args:
            event: An event that is about to leave.
            hint: What Sentry knows of it; the exception, if it is about one.
        """
        contexts = event.setdefault("contexts", {})
        active = trace.get_current_span().get_span_context()
        ids = (active.trace_id, active.span_id) if active.is_valid else self._root_of(hint)
        if ids is None:
            return
        found = {"trace_id": trace.format_trace_id(ids[0]), "span_id": trace.format_span_id(ids[1])}
        if (contexts.get("trace") or {}).get("trace_id") != found["trace_id"]:
            # Also where a transaction of Sentry's own is active: everything else is in this trace.
            contexts["trace"] = found
        request = self._requests.find(ids[1]) or self._requests.lately(ids[0])
        database = self._events.database_of(request) if request is not None else None
        if database is not None:
            contexts.setdefault("database", database)

    def link(self, record: dict[str, Any]) -> None:
        """Let a log record belong to the active span, also where a transaction of Sentry's own is active."""
        active = trace.get_current_span().get_span_context()
        if active.is_valid:
            record["trace_id"] = trace.format_trace_id(active.trace_id)
            record["span_id"] = trace.format_span_id(active.span_id)

    def _root_of(self, hint: Any) -> tuple[int, int] | None:
        """The root span that the reported exception, or one that it was raised from, has passed through."""
        roots = (self._requests.root_of(error) for error in chain_of(hint))
        return next((root for root in roots if root is not None), None)
