"""Traces that go from process to process by Sentry's header, beside every other propagator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sentry_sdk.integrations.otlp import SentryOTLPPropagator

from otel_dbmon.sentry.link import SentryTracePropagator, active_ids, compose_propagators

TRACE, SPAN = 0x1234567890ABCDEF1234567890ABCDEF, 0x1234567890ABCDEF
HEADER = "1234567890abcdef1234567890abcdef-1234567890abcdef-1"
ours = SentryTracePropagator(lambda: False)


@pytest.fixture
def usual() -> Iterator[CompositePropagator]:
    """The global propagator as OpenTelemetry makes it; what was there comes back."""
    before = propagate.get_global_textmap()
    made = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])
    propagate.set_global_textmap(made)
    yield made
    propagate.set_global_textmap(before)


def active(sampled: bool = True) -> trace.Span:
    """A span to be active."""
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return NonRecordingSpan(SpanContext(TRACE, SPAN, is_remote=False, trace_flags=flags))


def test_the_active_span_is_said_in_sentrys_terms() -> None:
    """And without one nothing is."""
    assert active_ids() is None
    with trace.use_span(active()):
        assert active_ids() == ("1234567890abcdef1234567890abcdef", "1234567890abcdef")


def test_the_header_is_written_beside_the_usual_ones(usual: CompositePropagator) -> None:
    """Whoever is on the other side finds what it knows."""
    compose_propagators(usual, ours)
    carrier: dict[str, str] = {}
    with trace.use_span(active()):
        propagate.inject(carrier)
    assert carrier["sentry-trace"] == HEADER
    assert carrier["traceparent"] == "00-1234567890abcdef1234567890abcdef-1234567890abcdef-01"


@pytest.mark.parametrize(("header", "sampled"), [(HEADER, True), (HEADER[:-2], True), (f"{HEADER[:-1]}0", False)])
def test_the_header_is_read(usual: CompositePropagator, header: str, sampled: bool) -> None:
    """A caller that knows only Sentry begins the trace."""
    compose_propagators(usual, ours)
    found = trace.get_current_span(propagate.extract({"sentry-trace": header})).get_span_context()
    assert (found.trace_id, found.span_id, found.trace_flags.sampled) == (TRACE, SPAN, sampled)


@pytest.mark.parametrize("header", ["", "nonsense", f"{0:032x}-{0:016x}-1", HEADER.replace("-", "")])
def test_a_header_that_says_nothing_is_no_trace(usual: CompositePropagator, header: str) -> None:
    """Nor is it an error."""
    compose_propagators(usual, ours)
    assert not trace.get_current_span(propagate.extract({"sentry-trace": header})).get_span_context().is_valid


def test_a_traceparent_has_the_last_word(usual: CompositePropagator) -> None:
    """It is what everything else goes by."""
    compose_propagators(usual, ours)
    other = "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-01"
    found = trace.get_current_span(propagate.extract({"sentry-trace": HEADER, "traceparent": other}))
    assert found.get_span_context().trace_id == 2**128 - 1


def test_sentrys_own_propagator_does_not_take_the_place_of_others(usual: CompositePropagator) -> None:
    """Its OTLPIntegration sets it globally; what was there goes behind it."""
    propagate.set_global_textmap(SentryOTLPPropagator())
    compose_propagators(usual, ours)
    composed = propagate.get_global_textmap()
    assert {"sentry-trace", "baggage", "traceparent"} <= composed.fields
    carrier: dict[str, str] = {}
    with trace.use_span(active()):
        propagate.inject(carrier)
    assert "traceparent" in carrier


def test_what_it_replaced_before_we_came_is_made_anew(usual: CompositePropagator) -> None:
    """Nobody remembers what it was, so it is what OpenTelemetry has without a setting."""
    propagate.set_global_textmap(SentryOTLPPropagator())
    compose_propagators(None, ours)
    assert {"sentry-trace", "traceparent"} <= propagate.get_global_textmap().fields


def test_a_second_client_composes_nothing_again(usual: CompositePropagator) -> None:
    """An application may initialise Sentry again and again."""
    compose_propagators(usual, ours)
    composed = propagate.get_global_textmap()
    compose_propagators(composed, ours)
    assert propagate.get_global_textmap() is composed


def test_sentrys_own_traces_keep_their_header() -> None:
    """Where Sentry has transactions of its own, it writes the header itself."""
    carrier: dict[str, str] = {}
    with trace.use_span(active()):
        SentryTracePropagator(lambda: True).inject(carrier)
    assert carrier == {}
