"""What exports for a provider: ended within a deadline, side by side, and what it loses counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult

from otel_dbmon import exporting
from otel_dbmon_processors.guard import Guard

HOUR_MS = 3_600_000


class Exporter(SpanExporter):
    """Does with each batch what it is told to."""

    def __init__(self) -> None:
        self.result: SpanExportResult | None = SpanExportResult.SUCCESS
        self.hangs = threading.Event()
        self.hangs.set()
        self.delivered = 0
        self.ended = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.hangs.wait(20)
        if self.result is None:
            raise OSError
        if self.result is SpanExportResult.SUCCESS:
            self.delivered += len(spans)
        return self.result

    def shutdown(self) -> None:
        self.ended = True


class Traced:
    """A provider whose one batch processor exports only when it is told to."""

    def __init__(self, queue: int = 100) -> None:
        self.exporter = Exporter()
        self.guard = Guard()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.processor = BatchSpanProcessor(
            self.exporter, max_queue_size=queue, max_export_batch_size=queue, schedule_delay_millis=HOUR_MS
        )
        self.provider.add_span_processor(self.processor)
        exporting.count_losses(self.provider, self.guard)

    def spans(self, count: int) -> None:
        """End so many spans."""
        tracer = self.provider.get_tracer("test")
        for _ in range(count):
            tracer.start_span("x").end()

    def finish(self, timeout_s: float = 20) -> bool:
        """End the exporting, as the end of the process does."""
        return exporting.finish(exporting.outlets_of(self.provider), timeout_s)


@pytest.fixture
def traced() -> Iterator[Traced]:
    """A provider, and its end."""
    traced = Traced()
    yield traced
    traced.exporter.hangs.set()
    traced.provider.shutdown()


def test_what_waits_is_exported_before_the_end(traced: Traced) -> None:
    """A part of a batch, too; then the exporter is closed and the SDK's own shutdown has nothing to do."""
    traced.spans(5)
    assert traced.finish()
    assert traced.exporter.delivered == 5
    assert traced.exporter.ended
    start = time.monotonic()
    traced.provider.shutdown()
    assert time.monotonic() - start < 5


def test_an_exporter_that_hangs_is_left_behind(traced: Traced) -> None:
    """In time, and the SDK's shutdown does not wait for it either."""
    traced.spans(5)
    traced.exporter.hangs.clear()
    start = time.monotonic()
    assert not traced.finish(0.2)
    traced.provider.shutdown()
    assert time.monotonic() - start < 5


def test_exporters_work_side_by_side() -> None:
    """Two that take half a second each are done in less than their sum."""

    class Slow(Exporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            barrier.wait(20)
            return super().export(spans)

    barrier = threading.Barrier(2)
    provider = TracerProvider(shutdown_on_exit=False)
    exporters = [Slow(), Slow()]
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=HOUR_MS))
    provider.get_tracer("test").start_span("x").end()
    assert exporting.finish(exporting.outlets_of(provider), 20)
    assert [exporter.delivered for exporter in exporters] == [1, 1]
    provider.shutdown()


def test_a_refused_connection_is_not_tried_again_at_the_end() -> None:
    """The SDK's exporters would go on for ten seconds each, spans after metrics."""
    refused = "http://127.0.0.1:9/v1"
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{refused}/traces")))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{refused}/metrics"), HOUR_MS)
    meters = MeterProvider([reader], shutdown_on_exit=False)
    tracers.get_tracer("test").start_span("x").end()
    meters.get_meter("test").create_counter("x").add(1)
    start = time.monotonic()
    assert exporting.finish([*exporting.outlets_of(tracers), *exporting.outlets_of(meters)], 20)
    tracers.shutdown()
    meters.shutdown()
    assert time.monotonic() - start < 5


def test_flushing_goes_on_afterwards(traced: Traced) -> None:
    """A process that could not become another one still exports."""
    traced.spans(2)
    exporting.flush(exporting.outlets_of(traced.provider), 20)
    traced.spans(3)
    exporting.flush(exporting.outlets_of(traced.provider), 20)
    assert traced.exporter.delivered == 5


def test_what_a_full_queue_pushes_out_is_counted(traced: Traced) -> None:
    """The queue holds a hundred; whoever ends the next spans pushes out the oldest."""
    traced.exporter.hangs.clear()
    traced.spans(100)
    deadline = time.monotonic() + 20
    while len(traced.processor._batch_processor._queue) and time.monotonic() < deadline:
        time.sleep(0.01)
    traced.spans(130)
    assert traced.guard.dropped == {"spans": 30}


@pytest.mark.parametrize("result", [SpanExportResult.FAILURE, None])
def test_what_could_not_be_delivered_is_counted(traced: Traced, result: SpanExportResult | None) -> None:
    """Whether the exporter says so or raises."""
    traced.exporter.result = result
    traced.spans(7)
    traced.provider.force_flush()
    traced.exporter.result = SpanExportResult.SUCCESS
    traced.spans(2)
    traced.provider.force_flush()
    assert traced.guard.dropped == {"spans": 7}
    assert traced.exporter.delivered == 2


def test_providers_without_anything_in_the_background_have_no_outlets() -> None:
    """A synchronous processor, a bare provider, something else altogether."""
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(Exporter()))
    others = (tracers, MeterProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False), object(), None)
    assert [list(exporting.outlets_of(provider)) for provider in others] == [[], [], [], [], []]
