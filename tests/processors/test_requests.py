"""The requests in flight, as their root spans tell of them, and the sums behind them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags

from otel_dbmon.sampling import RecordUnsampled
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.pipeline import Pipeline
from otel_dbmon_processors.processor import DatabaseSpanProcessor
from otel_dbmon_processors.requests import Request, Requests

SECOND = 1_000_000_000
COUNT, DURATION = "dbmon.db.query_count", "dbmon.db.duration"


class Service:
    """A traced process: spans of any kind, and statements that last as long as they are told to."""

    def __init__(self, sampler: Sampler | None = None) -> None:
        self.pipeline = Pipeline(Config())
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(DatabaseSpanProcessor(self.pipeline))
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("test")

    def request(self, kind: SpanKind = SpanKind.SERVER, parent: SpanContext | None = None) -> trace.Span:
        """A local root span, not yet current."""
        remote = trace.set_span_in_context(NonRecordingSpan(parent)) if parent else context.Context()
        return self.tracer.start_span("GET /", remote, kind)

    def statement(self, start: float = 0, end: float = 0) -> None:
        """A statement from one second to another, below the current span."""
        attributes = {"db.system.name": "sqlite", "db.query.text": "SELECT 1"}
        span = self.tracer.start_span(
            "SELECT", kind=SpanKind.CLIENT, attributes=attributes, start_time=int(start * SECOND)
        )
        span.end(int(end * SECOND))

    def told(self, name: str = "GET /") -> list[tuple[object, object]]:
        """What the spans of that name say of their requests, in the order of their ends."""
        return [self.said(span) for span in self.exporter.get_finished_spans() if span.name == name]

    @staticmethod
    def said(span: ReadableSpan) -> tuple[object, object]:
        """Count and duration on one span, None where they are not there."""
        attributes = span.attributes or {}
        return attributes.get(COUNT), attributes.get(DURATION)


@pytest.fixture
def service() -> Iterator[Service]:
    """A fresh process."""
    service = Service()
    yield service
    service.provider.shutdown()


def remote_parent(trace_id: int = 7, span_id: int = 9) -> SpanContext:
    """A span of another process."""
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def test_a_request_says_how_many_statements_it_sent_and_how_long_they_ran(service: Service) -> None:
    """One after the other: their times add up, in seconds."""
    with trace.use_span(service.request(), end_on_exit=True):
        service.statement(1, 1.25)
        service.statement(2, 2.5)
    assert service.told() == [(2, 0.75)]


def test_time_that_statements_share_counts_once(service: Service) -> None:
    """The question is how much of the request's time the database took."""
    with trace.use_span(service.request(), end_on_exit=True):
        service.statement(1, 3)
        service.statement(2, 4)
        service.statement(2, 3)
    assert service.told() == [(3, 3.0)]


def test_a_span_in_between_belongs_to_the_same_request(service: Service) -> None:
    """Of any depth; only the root tells."""
    inner = service.tracer.start_as_current_span
    with trace.use_span(service.request(), end_on_exit=True), inner("handler"):
        with inner("repository"):
            service.statement(1, 2)
        service.statement(2, 3)
    assert service.told() == [(2, 2.0)]
    assert service.told("handler") == service.told("repository") == [(None, None)]


def test_what_runs_below_a_client_s_span_is_not_the_request_s(service: Service) -> None:
    """Such spans are leaves by convention, and following them would cost every statement."""
    with trace.use_span(service.request(), end_on_exit=True):
        with service.tracer.start_as_current_span("GET /elsewhere", kind=SpanKind.CLIENT):
            service.statement(1, 2)
        service.statement(2, 3)
    assert service.told() == [(1, 1.0)]


def test_a_request_without_statements_says_so(service: Service) -> None:
    """Nothing would mean that nobody counted."""
    service.request().end()
    service.request(SpanKind.CONSUMER).end()
    assert service.told() == [(0, 0.0), (0, 0.0)]


def test_a_remote_parent_makes_a_local_root(service: Service) -> None:
    """Each service tells of its own statements."""
    with trace.use_span(service.request(parent=remote_parent()), end_on_exit=True):
        service.statement(1, 2)
    assert service.told() == [(1, 1.0)]


def test_two_requests_of_one_trace_stay_apart(service: Service) -> None:
    """A caller that asks this process twice at once has one trace and two requests."""
    first, second = (service.request(parent=remote_parent()) for _ in range(2))
    for request, statements in ((first, 1), (second, 2)):
        with trace.use_span(request):
            for _ in range(statements):
                service.statement(1, 2)
    second.end()
    first.end()
    assert service.told() == [(2, 1.0), (1, 1.0)]


def test_a_script_is_not_a_request(service: Service) -> None:
    """Statements without a parent stay as they are, and so does a root that sent none."""
    service.statement(1, 2)
    with service.tracer.start_as_current_span("tidy up"):
        pass
    assert service.told("SELECT") == service.told("tidy up") == [(None, None)]


def test_any_root_with_statements_is_a_request(service: Service) -> None:
    """A job that the application traces by hand, for one."""
    with service.tracer.start_as_current_span("nightly"):
        service.statement(1, 2)
    assert service.told("nightly") == [(1, 1.0)]


def test_what_is_not_sql_is_not_counted(service: Service) -> None:
    """The counts on spans and in metrics are about the same statements."""
    with trace.use_span(service.request(), end_on_exit=True):
        service.tracer.start_span("GET", attributes={"db.system": "redis", "db.statement": "GET ?"}).end()
    assert service.told() == [(0, 0.0)]


def test_threads_of_a_request_count_for_it(service: Service) -> None:
    """Eight of them, at full speed, none lost."""
    request = service.request()
    inside = trace.set_span_in_context(request)

    def work() -> None:
        token = context.attach(inside)
        for _ in range(500):
            service.statement(1, 2)
        context.detach(token)

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(work) for _ in range(8)]:
            future.result()
    request.end()
    assert service.told() == [(4000, 1.0)]


def test_tasks_of_gathered_requests_stay_apart(service: Service) -> None:
    """Fifty requests at once, each of as many statements as its number, on one loop."""

    async def statement() -> None:
        await asyncio.sleep(0)
        service.statement(1, 2)

    async def request(number: int) -> None:
        span = service.tracer.start_span(f"GET /{number}", context.Context(), SpanKind.SERVER)
        with trace.use_span(span, end_on_exit=True):
            await asyncio.gather(*(statement() for _ in range(number)))

    async def requests() -> None:
        await asyncio.gather(*(request(number) for number in range(50)))

    asyncio.run(requests())
    for number in range(50):
        assert service.told(f"GET /{number}") == [(number, 1.0 if number else 0.0)]


def test_a_streamed_answer_counts_until_the_span_ends(service: Service) -> None:
    """Statements while the body is sent are the request's; those after its end have nowhere to be told."""
    request = service.request()

    def body() -> Iterator[bytes]:
        with trace.use_span(request):
            for second in range(3):
                service.statement(second, second + 0.5)
                yield b"row"

    for _ in body():
        pass
    request.end()
    with trace.use_span(request):
        service.statement(9, 10)
    assert service.told() == [(3, 1.5)]


def test_an_unsampled_request_costs_and_says_nothing() -> None:
    """Its root is never recorded, though its statements are."""
    service = Service(ParentBased(ALWAYS_OFF))
    service.tracer.sampler = RecordUnsampled(service.tracer.sampler)  # type: ignore[attr-defined]
    unsampled = SpanContext(7, 9, is_remote=False, trace_flags=TraceFlags(TraceFlags.DEFAULT))
    with trace.use_span(NonRecordingSpan(unsampled)):
        service.statement(1, 2)
    counted = [family for family in service.pipeline.aggregator.collect() if family.metric.kind == "histogram"]
    assert sum(sum(point.counts) for point in counted[0].points) == 1  # type: ignore[union-attr]
    assert service.exporter.get_finished_spans() == ()
    service.provider.shutdown()


def test_a_failing_sum_hurts_nobody(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request's span goes out without it."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(service.pipeline.requests, "begin", fail)
    with trace.use_span(service.request(), end_on_exit=True):
        service.statement(1, 2)
    assert service.told() == [(None, None)]
    assert service.pipeline.guard.failures == {"request": 1}


def test_spans_that_never_end_are_given_up_and_counted() -> None:
    """The oldest go first; whoever belongs to them says nothing."""
    guard = Guard()
    requests = Requests(guard, max_spans=100)
    for span_id in range(1, 151):
        requests.begin(span_id)
    assert guard.dropped["requests"] == 50
    assert [requests.end(span_id) is None for span_id in (1, 50, 51, 150)] == [True, True, False, False]


def test_children_of_one_endless_request_are_bounded_too() -> None:
    """A daemon's root may be open for days while spans below it are forgotten."""
    guard = Guard()
    requests = Requests(guard, max_spans=100)
    requests.begin(1)
    for span_id in range(2, 10_000):
        requests.join(span_id, 1)
    known = [span_id for span_id in range(1, 10_000) if requests.end(span_id) is not None]
    assert len(known) <= 100
    assert guard.dropped["requests"] > 0


def test_requests_in_flight_are_not_those_of_a_forked_child(service: Service) -> None:
    """A fork resets the pipeline; a span that goes on in the child says nothing."""
    request = service.request()
    service.pipeline.reset()
    with trace.use_span(request, end_on_exit=True):
        service.statement(1, 2)
    assert service.told() == [(None, None)]


_times = st.integers(0, 100)
_intervals = st.lists(st.tuples(_times, _times).map(sorted).map(tuple), max_size=60)


@given(_intervals)
def test_the_duration_is_what_the_statements_cover(intervals: list[tuple[int, int]]) -> None:
    """Nanosecond by nanosecond, in whatever order they end."""
    request = Request(1)
    for start, end in intervals:
        request.add(start, end)
    covered = {moment for start, end in intervals for moment in range(start, end)}
    assert request.totals() == (len(intervals), len(covered))


@given(st.integers(1, 2000), st.integers(1, 5), st.integers(0, 5))
def test_a_request_of_many_statements_takes_bounded_space_and_is_exact(count: int, length: int, gap: int) -> None:
    """One after the other, as almost all requests send them."""
    request = Request(1)
    for number in range(count):
        start = number * (length + gap)
        request.add(start, start + length)
    assert request.totals() == (count, count * length)
    assert len(request._intervals) + len(request._pending) < 200


def test_a_statement_around_very_many_others_is_never_counted_too_long() -> None:
    """What can't be told apart any more is left out, so the share stays below the whole."""
    request = Request(1)
    for number in range(1000):
        request.add(number * 10, number * 10 + 1)
    request.add(0, 10_000)
    count, duration = request.totals()
    assert count == 1001
    assert 1000 < duration <= 10_000


def test_concurrent_sums_lose_nothing() -> None:
    """Statements end in many threads while the sum is drawn."""
    request = Request(1)

    def add(number: int) -> None:
        for step in range(5000):
            request.add(number * 10_000 + step * 2, number * 10_000 + step * 2 + 1)
            if step % 1000 == 0:
                request.totals()

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert request.totals()[0] == 20_000
