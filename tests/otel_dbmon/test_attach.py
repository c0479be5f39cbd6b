"""Attaching to providers that somebody else made."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from otel_dbmon import attach, runtime

CANARY = "canary-4711@example.com"
SQLALCHEMY = "opentelemetry.instrumentation.sqlalchemy"


@pytest.fixture(autouse=True)
def fresh_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a runtime of its own, without an endpoint."""
    monkeypatch.setenv("OTEL_DBMON_PROMETHEUS", "false")
    monkeypatch.setattr(runtime, "_runtime", None)


class Proxy:
    """What some vendors put around the SDK's provider."""

    def __init__(self, provider: object) -> None:
        self.provider = provider


def exported(provider: TracerProvider) -> InMemorySpanExporter:
    """An exporter behind this provider."""
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


def query_count(reader: InMemoryMetricReader) -> int:
    """How many statements a reader was told of."""
    data = reader.get_metrics_data()
    assert data is not None
    return sum(
        point.count
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "database.query.duration"
        for point in metric.data.data_points
    )


def run_statement(provider: TracerProvider) -> None:
    """One statement with a pasted value, as contrib would trace it."""
    attributes = {"db.query.text": f"SELECT '{CANARY}'", "db.system.name": "sqlite"}
    provider.get_tracer(SQLALCHEMY).start_span("SELECT", attributes=attributes).end()


def test_every_reader_is_served_the_one_that_comes_later_too() -> None:
    """Readers there at the time, and a reader added after the first statement."""
    first = InMemoryMetricReader()
    tracers, meters = TracerProvider(shutdown_on_exit=False), MeterProvider([first], shutdown_on_exit=False)
    attach.attach(tracers, meters)
    run_statement(tracers)
    later = InMemoryMetricReader()
    meters.add_metric_reader(later)
    run_statement(tracers)
    assert query_count(first) == query_count(later) == 2
    meters.shutdown()


def test_attaching_again_counts_nothing_twice() -> None:
    """The plugin is called before and after the instrumentors, and by the configurator."""
    reader = InMemoryMetricReader()
    tracers, meters = TracerProvider(shutdown_on_exit=False), MeterProvider([reader], shutdown_on_exit=False)
    for _ in range(3):
        attach.attach(Proxy(tracers), Proxy(meters))
    run_statement(tracers)
    assert query_count(reader) == 1
    meters.shutdown()


def test_an_exporter_added_before_or_after_sees_only_safe_spans() -> None:
    """Ours goes first, whoever was there."""
    tracers = TracerProvider(shutdown_on_exit=False)
    before = exported(tracers)
    attach.attach(tracers)
    after = exported(tracers)
    run_statement(tracers)
    for exporter in (before, after):
        (span,) = exporter.get_finished_spans()
        assert CANARY not in span.to_json()


def test_what_a_sampler_drops_is_counted_and_not_exported() -> None:
    """A tracer that existed before we came, and one that comes later; other scopes keep their sampler."""
    reader = InMemoryMetricReader()
    tracers = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    meters = MeterProvider([reader], shutdown_on_exit=False)
    exporter = exported(tracers)
    early = tracers.get_tracer(SQLALCHEMY)
    attach.attach(tracers, meters)
    early.start_span("SELECT", attributes={"db.query.text": "SELECT 1"}).end()
    run_statement(tracers)
    tracers.get_tracer("app").start_span("SELECT", attributes={"db.query.text": "SELECT 1"}).end()
    assert query_count(reader) == 2
    assert exporter.get_finished_spans() == ()
    meters.shutdown()


def test_anything_that_is_no_sdk_provider_is_left_alone() -> None:
    """Another vendor may have no OpenTelemetry SDK at all, and a proxy may point at itself."""
    proxy = Proxy(None)
    proxy.provider = proxy
    attach.attach(object(), proxy, None)


def test_an_sdk_that_changed_inside_costs_a_part_not_the_service(caplog: pytest.LogCaptureFixture) -> None:
    """What is not where it should be is counted and said once."""
    tracers = TracerProvider(shutdown_on_exit=False)
    del tracers._active_span_processor
    attach.attach(tracers)
    assert "attach TracerProvider" in caplog.text


def test_the_error_in_a_log_record_is_made_safe_and_other_words_stay() -> None:
    """Exception attributes always, a body only where it quotes a database error."""
    logs = LoggerProvider(shutdown_on_exit=False)
    exporter = InMemoryLogRecordExporter()
    logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    attach.attach(logger_provider=logs)
    logger = logs.get_logger("app")
    failed = f"(sqlite3.IntegrityError) UNIQUE constraint failed: users.email [parameters: ('{CANARY}',)]"
    attributes = {"exception.type": "IntegrityError", "exception.message": failed, "exception.stacktrace": failed}
    logger.emit(LogRecord(body="started in 12 ms"))
    logger.emit(LogRecord(body=f"could not save: {failed}", attributes=attributes))
    plain, error = (item.log_record for item in exporter.get_finished_logs())
    assert plain.body == "started in 12 ms"
    assert CANARY not in str(error.body)
    assert CANARY not in str(dict(error.attributes or {}))
    assert "UNIQUE constraint failed: users.email" in str((error.attributes or {})["exception.message"])


def test_a_child_process_does_not_repeat_what_its_parent_counted() -> None:
    """Fork copies the table; the child starts at zero, the parent goes on."""
    code = """
import os, sys
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from otel_dbmon import attach
sys.path.insert(0, sys.argv[1])
from test_attach import query_count, run_statement
reader = InMemoryMetricReader()
tracers, meters = TracerProvider(shutdown_on_exit=False), MeterProvider([reader], shutdown_on_exit=False)
attach.attach(tracers, meters)
run_statement(tracers); run_statement(tracers)
child = os.fork()
run_statement(tracers)
os.write(1, f'{query_count(reader)}\\n'.encode())
if child: os.waitpid(child, 0)
"""
    folder = str(__file__).rpartition("/")[0]
    ran = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert sorted(ran.stdout.split()) == ["1", "3"]


def test_a_disabled_process_attaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans pass as they are: with ours off, the launcher sets up no SDK that could export them."""
    monkeypatch.setenv("OTEL_DBMON_ENABLED", "false")
    tracers = TracerProvider(shutdown_on_exit=False)
    exporter = exported(tracers)
    attach.attach(tracers)
    run_statement(tracers)
    (span,) = exporter.get_finished_spans()
    assert isinstance(span, ReadableSpan)
    assert span.name == "SELECT"
    assert runtime.current() is None
