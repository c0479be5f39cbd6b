"""Says which OpenTelemetry span is active, in Sentry's terms, and carries it from process to process in its header."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from opentelemetry import propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from collections.abc import Callable

_HEADER = "sentry-trace"
_header = re.compile(r"\s*([0-9a-f]{32})-([0-9a-f]{16})(?:-([01]))?\s*").fullmatch


def active_ids() -> tuple[str, str] | None:
    """Trace and span id of the active span as Sentry writes them; None without one. Never raises: Sentry has no guard.

    An event may be captured anywhere, in the middle of the application's own errors.
    """
    try:
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)
    except Exception:  # noqa: BLE001 - see above
        return None


def link_events() -> None:
    """Let whatever Sentry captures belong to the active span, unless somebody else has said where it belongs."""
    from sentry_sdk import scope

    if not scope.has_external_propagation_context():
        scope.register_external_propagation_context(active_ids)


class SentryTracePropagator(TextMapPropagator):
    """Reads and writes ``sentry-trace``, for services on the other side that know only Sentry.

    Sentry's ``baggage`` is passed on by OpenTelemetry's own propagator of that header.

    Args:
        traces_itself: Says whether Sentry has traces of its own and writes this header itself.
    """

    def __init__(self, traces_itself: Callable[[], bool]) -> None:
        self._traces_itself = traces_itself

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        """Continue the caller's trace; a ``traceparent``, which is read after this, has the last word."""
        context = Context() if context is None else context
        values = getter.get(carrier, _HEADER)
        found = _header(values[0]) if values else None
        if found is None:
            return context
        flags = TraceFlags(TraceFlags.DEFAULT if found[3] == "0" else TraceFlags.SAMPLED)
        caller = SpanContext(int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=flags)
        return trace.set_span_in_context(NonRecordingSpan(caller), context) if caller.is_valid else context

    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        """Name the active span, and whether it is sampled."""
        active = trace.get_current_span(context).get_span_context()
        if active.is_valid and not self._traces_itself():
            ids = f"{trace.format_trace_id(active.trace_id)}-{trace.format_span_id(active.span_id)}"
            setter.set(carrier, _HEADER, f"{ids}-{int(active.trace_flags.sampled)}")

    @property
    def fields(self) -> set[str]:
        """The one header."""
        return {_HEADER}


def compose_propagators(before: TextMapPropagator | None, ours: SentryTracePropagator) -> None:
    """Put Sentry's propagator in front of those that were there, and nothing in place of them.

    Args:
        before: The global propagator before the client was made; its OTLPIntegration may have replaced that. None if
            nobody saw it.
        ours: Used where Sentry has brought none.
    """
    now = propagate.get_global_textmap()
    if type(now).__module__.startswith("sentry_sdk"):
        if before is None or type(before).__module__.startswith("sentry_sdk"):
            before = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])
        propagate.set_global_textmap(CompositePropagator([now, *_parts(before)]))
    elif not any(_HEADER in part.fields for part in _parts(now)):
        propagate.set_global_textmap(CompositePropagator([ours, *_parts(now)]))


def _parts(propagator: TextMapPropagator) -> list[Any]:
    """What it is composed of, without our own if Sentry's took its place."""
    return list(getattr(propagator, "_propagators", [propagator]))
