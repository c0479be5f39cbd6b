"""The demo's parts: what it receives, how it writes that down, what it makes of it."""

from __future__ import annotations

import gzip
import json
import math
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import Parse
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from otel_dbmon.demo.figures import Figures, percentile
from otel_dbmon.demo.otlp_json import to_json_line
from otel_dbmon.demo.receiver import Receiver
from otel_dbmon.demo.report import Canaries, Report
from otel_dbmon.demo.scrape import Scrape
from otel_dbmon.demo.service import DemoError, MissingExtraError, Service, check_requirements, find_app, free_port
from otel_dbmon.demo.traffic import Tally

SECRET = "otter.q7x2"
PAGE = """\
# HELP database_query_duration_seconds How long statements took.
# TYPE database_query_duration_seconds histogram
database_query_duration_seconds_bucket{service="shop",operation="SELECT",table="users",le="+Inf"} 2.0
database_query_duration_seconds_count{service="shop",operation="SELECT",table="users"} 2.0
database_query_duration_seconds_sum{service="shop",operation="SELECT",table="users"} 0.5
database_query_duration_seconds_bucket{service="shop",operation="INSERT",table="users",le="+Inf"} 1.0
database_query_duration_seconds_count{service="shop",operation="INSERT",table="users"} 1.0
database_query_duration_seconds_sum{service="shop",operation="INSERT",table="users"} 0.25
# HELP database_connections_active Connections in use.
# TYPE database_connections_active gauge
database_connections_active{service="shop",database="sqlite"} 0.0
# HELP database_errors_total Statements that failed.
# TYPE database_errors_total counter
database_errors_total{service="shop",error_type="timeout"} 1.0
database_errors_total{service="shop",error_type="integrity"} 2.0
database_errors_total{service="shop",error_type="syntax"} 0.0
"""


def traces(*spans: Span) -> ExportTraceServiceRequest:
    """One request with these spans."""
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend(spans)
    return request


def statement(summary: str, milliseconds: float = 1, text: str = "", failed: bool = False) -> Span:
    """The span of a statement as the product rewrites it."""
    span = Span(name=summary, kind=Span.SPAN_KIND_CLIENT, trace_id=b"\x01" * 16, span_id=b"\xab" * 8)
    span.start_time_unix_nano = 1_000_000_000
    span.end_time_unix_nano = 1_000_000_000 + int(milliseconds * 1e6)
    attributes = {
        "db.query.summary": summary,
        "db.query.text": text or summary,
        "dbmon.query.type": "select",
        "dbmon.query.complexity": "low",
    }
    for key, value in attributes.items():
        span.attributes.add(key=key).value.string_value = value
    if failed:
        span.status.code = Status.STATUS_CODE_ERROR
    return span


def found(span: Span, *kinds: str) -> Span:
    """The same span, about which something was found."""
    for kind in kinds:
        span.attributes.add(key=kind).value.bool_value = True
    span.attributes.add(key="code.file.path").value.string_value = "app.py"
    span.attributes.add(key="code.line.number").value.int_value = 42
    span.attributes.add(key="code.function.name").value.string_value = "app.orders"
    return span


class TestOtlpJson:
    """One message, one line, as the OTLP specification maps it."""

    def test_ids_are_hexadecimal_and_enums_are_numbers(self) -> None:
        """These two differ from protobuf's own mapping."""
        line = to_json_line(traces(statement("SELECT users", failed=True)))
        (span,) = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
        assert span["traceId"] == "01" * 16
        assert span["spanId"] == "ab" * 8
        assert span["kind"] == 3
        assert span["status"] == {"code": 2}

    def test_names_are_camel_case_and_long_integers_are_strings(self) -> None:
        """As in protobuf's mapping."""
        (span,) = json.loads(to_json_line(traces(statement("SELECT users", 2))))["resourceSpans"][0]["scopeSpans"][0][
            "spans"
        ]
        assert (span["startTimeUnixNano"], span["endTimeUnixNano"]) == ("1000000000", "1002000000")
        assert span["attributes"][0] == {"key": "db.query.summary", "value": {"stringValue": "SELECT users"}}

    def test_an_attribute_named_like_an_id_keeps_its_value(self) -> None:
        """Only fields of the message are ids; bytes anywhere else stay base64."""
        span = statement("SELECT users")
        span.attributes.add(key="traceId").value.string_value = "abc="
        span.attributes.add(key="spanId").value.bytes_value = b"\x00\xff"
        span.links.add(trace_id=b"\x02" * 16, span_id=b"\xcd" * 8)
        (read,) = json.loads(to_json_line(traces(span)))["resourceSpans"][0]["scopeSpans"][0]["spans"]
        values = {attribute["key"]: attribute["value"] for attribute in read["attributes"]}
        assert values["traceId"] == {"stringValue": "abc="}
        assert values["spanId"] == {"bytesValue": "AP8="}
        assert read["links"] == [{"traceId": "02" * 16, "spanId": "cd" * 8}]

    @given(st.text(max_size=50), st.integers(-(2**63), 2**63 - 1), st.floats())
    def test_it_is_one_line_and_nothing_is_lost(self, text: str, integer: int, number: float) -> None:
        """With the ids put back, protobuf reads the same message."""
        span = Span(name=text.encode("utf-8", "replace").decode())
        span.attributes.add(key="i").value.int_value = integer
        span.attributes.add(key="d").value.double_value = number
        message = traces(span)
        line = to_json_line(message)
        assert "\n" not in line
        again = Parse(line, ExportTraceServiceRequest())
        assert again.SerializeToString() == message.SerializeToString() or math.isnan(number)


class TestReceiver:
    """A collector on the loopback address."""

    @pytest.fixture
    def inbox(self) -> list[tuple[Message, bytes]]:
        """What was handed on."""
        return []

    @pytest.fixture
    def url(self, inbox: list[tuple[Message, bytes]]) -> Iterator[str]:
        """Where the receiver listens."""
        with Receiver(lambda message, body: inbox.append((message, body))) as receiver:
            yield receiver.url

    def post(self, url: str, body: bytes, **headers: str) -> int:
        """The status of the answer."""
        request = urllib.request.Request(url, data=body, headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=5) as response:
                status: int = response.status
                return status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            ("traces", ExportTraceServiceRequest),
            ("metrics", ExportMetricsServiceRequest),
            ("logs", ExportLogsServiceRequest),
        ],
    )
    def test_every_signal_is_parsed(self, path: str, kind: Any, url: str, inbox: list[tuple[Message, bytes]]) -> None:
        """The message and its bytes are handed on."""
        assert self.post(f"{url}/v1/{path}", kind().SerializeToString()) == 200
        ((message, body),) = inbox
        assert isinstance(message, kind)
        assert body == b""

    def test_zipped_bodies_are_unzipped(self, url: str, inbox: list[tuple[Message, bytes]]) -> None:
        """What is searched for canaries is what was meant."""
        body = traces(statement("SELECT users")).SerializeToString()
        headers = {"Content-Encoding": "gzip"}
        assert self.post(f"{url}/v1/traces", gzip.compress(body), **headers) == 200
        assert inbox[0][1] == body

    def test_what_is_no_otlp_is_refused(
        self, url: str, inbox: list[tuple[Message, bytes]], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """By status, and without a word on the screen."""
        assert self.post(f"{url}/v1/traces", b"\xff\xff\xff") == 400
        assert self.post(f"{url}/v1/traces", b"no gzip", **{"Content-Encoding": "gzip"}) == 400
        assert self.post(f"{url}/v1/profiles", b"") == 404
        assert inbox == []
        assert "".join(capsys.readouterr()) == ""


class TestFigures:
    """Calls, percentiles and errors of each kind of statement."""

    def test_statements_are_grouped_by_summary(self) -> None:
        """Those that took the most time come first."""
        figures = Figures()
        figures.add(traces(*(statement("SELECT users", milliseconds) for milliseconds in range(1, 101))))
        figures.add(traces(statement("INSERT users", 9000, failed=True)))
        insert, select = figures.statements()
        assert (insert.summary, insert.calls, insert.errors) == ("INSERT users", 1, 1)
        assert (select.calls, select.errors, select.query_type, select.complexity) == (100, 0, "select", "low")
        assert (select.percentile(0.5), select.percentile(0.95)) == (50, 95)
        assert figures.calls == 101

    def test_statements_of_one_summary_are_told_apart_by_their_text(self) -> None:
        """Advice is on each of them, however they took turns."""
        texts = ("SELECT a FROM users WHERE b = ?", "SELECT b FROM users WHERE a = ?")
        figures = Figures()
        figures.add(traces(*(statement("SELECT users", 2, text=texts[turn]) for turn in (0, 1, 0))))
        assert figures.durations_ms == {texts[0]: [2, 2], texts[1]: [2]}

    def test_spans_of_anything_else_are_left_out(self) -> None:
        """A server span is no statement."""
        figures = Figures()
        figures.add(traces(Span(name="GET /products")))
        assert figures.calls == 0

    @given(st.lists(st.floats(0, 1e9), min_size=1), st.floats(0, 1))
    def test_a_percentile_is_a_value_that_enough_others_do_not_exceed(self, values: list[float], share: float) -> None:
        """The nearest-rank definition."""
        found = percentile(values, share)
        assert found in values
        assert sum(value <= found for value in values) >= share * len(values)

    def test_there_is_no_percentile_of_nothing(self) -> None:
        """Not a number, rather than an invented one."""
        assert math.isnan(percentile([], 0.5))


class TestReport:
    """Each promise is checked against what was received and scraped."""

    PASTED = f"SELECT name FROM users WHERE email = '{SECRET}'"
    TELLTALES = ("SELECT reviews customers", "SELECT SELECT orders customers")

    def report(
        self,
        received: str = "SELECT name FROM users WHERE email = ?",
        page: str = PAGE,
        calls: int = 1,
        visits: int = 1,
    ) -> Report:
        """A report on a call of the pasted statement and of each telltale, as the page says, or on fewer or more."""
        figures, canaries = Figures(), Canaries({SECRET: "an e-mail"})
        users = found(statement("SELECT users", text=received), "dbmon.slow", "dbmon.n_plus_one")
        spans = [users, *map(statement, self.TELLTALES)]
        request = traces(*(span for span in spans for _ in range(calls)))
        figures.add(request)
        canaries.search(request.SerializeToString())
        tally = Tally(visits=Counter({"join": visits, "pasted literals": visits}), pasted=self.PASTED)
        return Report(figures, Scrape(page), canaries, tally)

    def test_everything_as_it_should_be_passes(self) -> None:
        """The statement is shown before and after."""
        report = self.report()
        assert report.broken == []
        assert (report.before, report.after) == (self.PASTED, "SELECT name FROM users WHERE email = ?")

    def test_a_value_in_a_span_fails(self) -> None:
        """The report says what was found, not the value."""
        report = self.report(received=self.PASTED)
        assert "No value left the shop" in report.broken
        assert SECRET not in " ".join(check.detail for check in report.checks)

    def test_a_value_on_the_prometheus_page_fails(self) -> None:
        """The endpoint is a way out as well."""
        page = PAGE.replace('table="users"', f'table="{SECRET}"')
        assert self.report(page=page).broken == ["No value left the shop"]

    def test_a_statement_counted_twice_fails(self) -> None:
        """Spans and metrics have to agree with each other, and with what the visitors did."""
        twice = PAGE.replace('"SELECT",table="users"} 2.0', '"SELECT",table="users"} 4.0')
        assert self.report(page=twice).broken == ["Every statement is counted once"]
        assert self.report(visits=2).broken == ["There are as many as the visitors caused"]

    def test_nothing_received_passes_nothing_that_needs_it(self) -> None:
        """Silence is no proof of anything."""
        report = self.report(page="", calls=0)
        assert len(report.broken) == len(report.checks)

    def test_a_missing_series_fails(self) -> None:
        """Dashboards look for exactly these names."""
        report = self.report(page=PAGE.replace("database_connections_active", "database_connections_busy"))
        assert report.broken == ["The series have the names that dashboards expect"]

    def test_errors_have_to_be_classified(self) -> None:
        """A time-out that is called something else is not what happened."""
        assert self.report(page=PAGE.replace("timeout", "other")).broken == ["Errors have a type"]


class TestService:
    """The shop as a process."""

    def test_the_shop_is_found(self) -> None:
        """In a checkout and in a wheel alike."""
        assert find_app().name == "app.py"
        assert (find_app().parent / "models.py").is_file()

    def test_a_missing_extra_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """With the command that helps."""
        monkeypatch.setattr("otel_dbmon.demo.service.find_spec", lambda _name: None)
        with pytest.raises(MissingExtraError, match=r"otel-dbmon\[demo\]"):
            check_requirements()

    def test_a_shop_that_stops_is_noticed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The message names the log."""
        app = tmp_path / "app.py"
        app.write_text("raise SystemExit(7)")
        monkeypatch.setattr("otel_dbmon.demo.service.find_app", lambda: app)
        environment = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
        with (
            Service(tmp_path, free_port(), environment) as service,
            pytest.raises(DemoError, match="exit code 7") as info,
        ):
            service.wait_until_up()
        assert "shop.log" in str(info.value)
