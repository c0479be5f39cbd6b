"""Findings as log events, as a collector behind the logging bridge gets them."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from otel_dbmon.events import FindingEvents
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.observation import Observation, Origin
from otel_dbmon_processors.pipeline import Pipeline

SLOW = Observation(
    "SELECT * FROM users WHERE email = 'canary-4711'",
    Origin("postgresql", "shop"),
    duration_ns=2_000_000_000,
    start_ns=1,
    trace_id=0xAB,
    span_id=0xCD,
    sampled=True,
)


class Bench:
    """A pipeline whose findings become events that are kept in memory."""

    def __init__(self, with_text: bool = True) -> None:
        self.now, self.guard = 0.0, Guard()
        self.exporter = InMemoryLogRecordExporter()
        self.provider = LoggerProvider(shutdown_on_exit=False)
        self.provider.add_log_record_processor(SimpleLogRecordProcessor(self.exporter))
        self.pipeline = Pipeline(Config(), self.guard)
        self.events = FindingEvents(self.guard, with_text, lambda: self.now)
        self.pipeline.subscribe(self.events.tell)

    def records(self) -> list[Any]:
        """What was emitted."""
        return [data.log_record for data in self.exporter.get_finished_logs()]


def test_an_event_names_its_span_and_says_what_was_found() -> None:
    """Trace and span id, statement, advice and the place; no value."""
    bench = Bench()
    bench.events.attach(bench.provider)
    bench.pipeline.observe(SLOW)
    (record,) = bench.records()
    assert (record.event_name, record.severity_number) == ("dbmon.slow_query", SeverityNumber.WARN)
    assert (record.trace_id, record.span_id, record.trace_flags) == (0xAB, 0xCD, 1)
    assert record.body == "Slow query detected: SELECT (2000ms)"
    attributes = dict(record.attributes)
    assert attributes["code.file.path"].endswith("test_events.py")
    assert attributes["code.function.name"].startswith(__name__)
    assert attributes["db.query.text"] == "SELECT * FROM users WHERE email = ?"
    assert attributes["dbmon.finding.duration"] == 2.0
    assert attributes["dbmon.finding.alert"] is True
    assert "SELECT *" in attributes["dbmon.finding.advice"]
    assert "canary" not in str(attributes)


def test_repeats_are_a_piece_of_information_until_they_are_worth_an_alert() -> None:
    """First INFO, then WARN, each once."""
    bench = Bench()
    bench.events.attach(bench.provider)
    base = Observation("SELECT id FROM orders", Origin("sqlite"), start_ns=1, duration_ns=1_000_000, parent_id=7)
    bench.pipeline.observe(base)
    for number in range(1, 60):
        statement = f"SELECT name FROM customers WHERE id = {number}"
        bench.pipeline.observe(base._replace(statement=statement, start_ns=number * 2_000_000))
    first, second = bench.records()
    assert {first.event_name, second.event_name} == {"dbmon.n_plus_one"}
    assert (first.severity_text, second.severity_text) == ("INFO", "WARN")
    assert (first.attributes["dbmon.finding.count"], second.attributes["dbmon.finding.count"]) == (5, 50)
    assert first.attributes["dbmon.finding.source"] == "SELECT orders"
    assert "N+1 queries detected: SELECT customers" in first.body


def test_events_are_bounded() -> None:
    """A few a minute of one pattern, some more of all; the others are counted, and next minute there are new ones."""
    bench = Bench()
    bench.events.attach(bench.provider)
    for _ in range(500):
        bench.pipeline.observe(SLOW)
    assert len(bench.records()) == 6
    for number in range(500):
        bench.pipeline.observe(SLOW._replace(statement=f"SELECT a{number} FROM t"))
    assert len(bench.records()) == 120
    assert bench.guard.dropped["events"] == 1000 - 120
    bench.now = 61.0
    bench.pipeline.observe(SLOW)
    assert len(bench.records()) == 121


@pytest.mark.parametrize("attached", [True, False])
def test_the_text_can_be_left_out_and_logs_can_be_off(attached: bool) -> None:
    """Without a provider nothing happens, and nothing is counted as dropped."""
    bench = Bench(with_text=False)
    if attached:
        bench.events.attach(bench.provider)
    bench.pipeline.observe(SLOW)
    assert [dict(record.attributes).get("db.query.text") for record in bench.records()] == [None] * attached
    assert not bench.guard.dropped
    assert not bench.guard.failures
