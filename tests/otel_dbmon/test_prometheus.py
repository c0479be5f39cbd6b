"""The Prometheus endpoint, as a scraper sees it."""

from __future__ import annotations

import http.client
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from metering import Meters, Statement
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import Histogram
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from test_export_fork import forking

from otel_dbmon.prometheus import PrometheusEndpoint
from otel_dbmon_processors.observation import ErrorFacts
from otel_dbmon_processors.points import Family, NumberPoint
from otel_dbmon_semconv import metrics

OPENMETRICS = "application/openmetrics-text;version=1.0.0"


class Scraped:
    """One answer of the endpoint."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self) -> str:
        """The page."""
        return self.body.decode()

    @property
    def lines(self) -> list[str]:
        """The page's lines."""
        return self.text.splitlines()


def scrape(endpoint: PrometheusEndpoint, path: str = "/metrics", method: str = "GET", accept: str = "") -> Scraped:
    """Ask the endpoint."""
    assert endpoint.port is not None
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=20)
    try:
        connection.request(method, path, headers={"Accept": accept})
        return Scraped(connection.getresponse())
    finally:
        connection.close()


@pytest.fixture
def meters() -> Meters:
    """A provider without readers."""
    return Meters()


@pytest.fixture
def endpoint(meters: Meters) -> Iterator[PrometheusEndpoint]:
    """An endpoint that was added to the provider later, on any free port."""
    endpoint = PrometheusEndpoint("127.0.0.1", 0, guard=meters.guard)
    meters.provider.add_metric_reader(endpoint.reader)
    endpoint.start()
    yield endpoint
    endpoint.shutdown()


def test_the_series_of_the_specification_are_there(meters: Meters, endpoint: PrometheusEndpoint) -> None:
    """To the letter, labels included."""
    meters.record(error=ErrorFacts("timeout"))

    lines = scrape(endpoint).lines

    assert (
        'database_query_duration_seconds_count{database="shop",operation="SELECT",service="user-svc",table="users"} 1.0'
    ) in lines
    assert (
        'database_errors_total{database="shop",error_type="timeout",operation="SELECT",service="user-svc"} 1.0' in lines
    )
    assert 'database_errors_total{database="shop",error_type="data",operation="SELECT",service="user-svc"} 0.0' in lines
    assert any(line.startswith("db_client_operation_duration_seconds_bucket{") for line in lines)


def test_both_text_formats_can_be_parsed(meters: Meters, endpoint: PrometheusEndpoint) -> None:
    """The scraper chooses; the parsers of prometheus_client, the strict one too, agree on what they read."""
    for number in range(60):
        meters.record(Statement(table=f"t{number}", fingerprint=f"{number:016x}"), span_id=number)
    text, openmetrics = scrape(endpoint), scrape(endpoint, accept=OPENMETRICS)

    assert text.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    in_text = {family.name for family in parse_text(text.text)} - {"target_info"}
    assert in_text == {family.name for family in parse_openmetrics(openmetrics.text)} - {"target"}
    assert "database_query_duration_seconds" in in_text


def test_only_the_two_paths_answer(endpoint: PrometheusEndpoint) -> None:
    """Anything else is not found; HEAD has the headers and no body."""
    head = scrape(endpoint, method="HEAD")

    assert scrape(endpoint, "/").status == 200
    assert scrape(endpoint, "/metrics?debug=1").status == 200
    assert scrape(endpoint, "/favicon.ico").status == 404
    assert scrape(endpoint, "/metrics/").status == 404
    assert scrape(endpoint, method="POST").status == 405
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) > 100


def test_metrics_of_others_are_served_too(meters: Meters, endpoint: PrometheusEndpoint) -> None:
    """It is the endpoint of the whole service."""
    meters.provider.get_meter("app").create_counter("app.requests").add(2)

    assert "app_requests_total 2.0" in scrape(endpoint).lines


def test_an_exponential_histogram_hides_no_other_metric(meters: Meters) -> None:
    """The stock exporter's whole scrape fails with one; here it alone is missing, and counted."""
    endpoint = PrometheusEndpoint("127.0.0.1", 0, guard=meters.guard)
    exponential = View(instrument_type=Histogram, aggregation=ExponentialBucketHistogramAggregation())
    meters.provider._sdk_config.views = [exponential]
    meters.provider.add_metric_reader(endpoint.reader)
    meters.provider.get_meter("app").create_histogram("app.sizes").record(7)
    meters.record()
    endpoint.start()

    scraped = scrape(endpoint)
    endpoint.shutdown()

    assert "database_query_duration_seconds_count" in scraped.text
    assert "app_sizes" not in scraped.text
    assert meters.guard.dropped["exponential_histogram"] == 1


def test_a_metric_that_cannot_be_shown_hides_no_other() -> None:
    """The scrape is repeated without it, and later scrapes leave it out at once."""

    class Broken:
        def collect(self) -> Iterator[Family]:
            yield Family(metrics.DATABASE_INDEX_SUGGESTIONS, [NumberPoint("x", {}, 1, "no number")])  # type: ignore[arg-type]

    meters = Meters(sources=[Broken()])
    endpoint = PrometheusEndpoint("127.0.0.1", 0, guard=meters.guard)
    meters.provider.add_metric_reader(endpoint.reader)
    endpoint.start()
    meters.record()

    first, second = scrape(endpoint), scrape(endpoint)
    endpoint.shutdown()

    assert first.status == second.status == 200
    assert "database_query_duration_seconds_count" in first.text
    assert "database_index_suggestions" not in first.text + second.text
    assert meters.guard.failures["prometheus"] == 1


def test_metrics_of_one_name_from_two_scopes_keep_their_labels(meters: Meters, endpoint: PrometheusEndpoint) -> None:
    """The stock exporter gives the values of one the label names of the other."""
    for scope, label, description in (("one", "color", "Ones."), ("two", "size", "Twos.")):
        meters.provider.get_meter(scope).create_counter("app.things", description=description).add(1, {label: "x"})

    lines = scrape(endpoint).lines

    assert 'app_things_total{color="x",size=""} 1.0' in lines
    assert 'app_things_total{color="",size="x"} 1.0' in lines
    assert lines.count("# TYPE app_things_total counter") == 1


def test_of_two_kinds_of_one_name_the_first_is_served(meters: Meters, endpoint: PrometheusEndpoint) -> None:
    """Prometheus knows one type for a name; the other is counted as dropped."""
    meters.provider.get_meter("one").create_histogram("app.things").record(1)
    meters.provider.get_meter("two").create_up_down_counter("app.things").add(1)

    text = scrape(endpoint).text

    assert "# TYPE app_things histogram" in text
    assert "# TYPE app_things gauge" not in text
    assert meters.guard.dropped["metric_name_conflict"] == 1


def test_a_collection_that_fails_is_a_server_error_without_its_message(
    meters: Meters, endpoint: PrometheusEndpoint, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """An exception's text may hold anything, so it goes nowhere; the endpoint stays up."""
    healthy = threading.Event()

    def collect(*_: Any, **__: Any) -> None:
        if not healthy.is_set():
            raise RuntimeError("secret")

    endpoint.reader._set_collect_callback(collect)  # type: ignore[arg-type]
    failed = scrape(endpoint)
    healthy.set()

    assert failed.status == 500
    assert "secret" not in failed.text + caplog.text + "".join(capfd.readouterr())
    assert scrape(endpoint).status == 200


def test_slow_clients_do_not_block_a_scrape(meters: Meters, endpoint: PrometheusEndpoint) -> None:
    """Some that never finish their request, and one that never reads the answer."""
    for number in range(200):
        meters.record(Statement(table=f"t{number}"))
    silent = [socket.create_connection(("127.0.0.1", endpoint.port)) for _ in range(5)]
    silent[0].sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    silent[1].sendall(b"GET /met")
    try:
        started = time.monotonic()
        assert scrape(endpoint).status == 200
        assert time.monotonic() - started < 5
    finally:
        for client in silent:
            client.close()


def test_a_client_too_many_is_hung_up_on(endpoint: PrometheusEndpoint) -> None:
    """Threads are bounded."""
    held = [socket.create_connection(("127.0.0.1", endpoint.port), timeout=20) for _ in range(32)]
    try:
        time.sleep(0.2)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            scrape(endpoint)
    finally:
        for client in held:
            client.close()


def test_scrapes_at_the_same_time_are_each_whole(meters: Meters, endpoint: PrometheusEndpoint) -> None:
    """The stock exporter lets two scrapes share what each of them collected."""
    meters.record()
    pages: list[str] = []
    threads = [threading.Thread(target=lambda: pages.append(scrape(endpoint).text)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(pages)) == 1
    assert pages[0].count("# TYPE database_query_duration_seconds histogram") == 1


def test_a_scrape_makes_no_spans(meters: Meters, endpoint: PrometheusEndpoint) -> None:
    """A callback that asks the database for a number is part of no trace."""
    exporter = InMemorySpanExporter()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))

    def instrumented(_: CallbackOptions) -> list[Observation]:
        if is_instrumentation_enabled():
            tracers.get_tracer("db").start_span("SELECT").end()
        return [Observation(1)]

    meters.provider.get_meter("app").create_observable_gauge("app.rows", [instrumented])

    assert "app_rows 1.0" in scrape(endpoint).lines
    assert not exporter.get_finished_spans()


def test_a_taken_port_makes_it_take_the_next(caplog: pytest.LogCaptureFixture) -> None:
    """A warning says where it listens instead."""
    first, second = (PrometheusEndpoint("127.0.0.1", port) for port in (0, 0))
    first.start()
    assert first.port is not None
    second = PrometheusEndpoint("127.0.0.1", first.port, fallback_ports=20)
    with caplog.at_level(logging.INFO, "otel_dbmon"):
        second.start()
    try:
        assert second.port is not None
        assert first.port < second.port <= first.port + 20
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert f"port {second.port}: port {first.port} is taken" in caplog.text
        assert scrape(second).status == 200
    finally:
        first.shutdown()
        second.shutdown()


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_without_any_port_one_line_is_logged(host: str, caplog: pytest.LogCaptureFixture) -> None:
    """The service starts all the same."""
    taken = PrometheusEndpoint("127.0.0.1", 0)
    taken.start()
    assert taken.port is not None
    endpoint = PrometheusEndpoint(host, taken.port, fallback_ports=0)
    with caplog.at_level(logging.INFO, "otel_dbmon"):
        endpoint.start()
        endpoint.start()
    taken.shutdown()

    assert endpoint.port is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    endpoint.shutdown()


def test_shutdown_is_quick_and_frees_the_port(meters: Meters) -> None:
    """The provider's shutdown reaches the endpoint through its reader."""
    endpoint = PrometheusEndpoint("127.0.0.1", 0)
    meters = Meters([endpoint.reader])
    endpoint.start()
    port = endpoint.port
    started = time.monotonic()
    meters.provider.shutdown()

    assert time.monotonic() - started < 0.4
    assert endpoint.port is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    endpoint.shutdown()


def test_a_client_that_hangs_keeps_no_process_alive() -> None:
    """The process ends when the service does, in the middle of a request or not."""
    script = """
import socket, time
from otel_dbmon.prometheus import PrometheusEndpoint
endpoint = PrometheusEndpoint("127.0.0.1", 0)
endpoint.start()
client = socket.create_connection(("127.0.0.1", endpoint.port))
client.sendall(b"GET /met")
time.sleep(0.2)
"""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, timeout=60
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert time.monotonic() - started < 8


def test_each_process_of_a_fork_server_has_its_own_endpoint() -> None:
    """Children let go of the inherited socket, take the next free port and tell of themselves only."""
    endpoint = PrometheusEndpoint("127.0.0.1", 0)
    endpoint.start()
    free = endpoint.port
    endpoint.shutdown()
    told = forking("endpoint", str(free))
    ports = [told[process][0] for process in ("parent", "child", "grandchild", "parent_again")]
    has_parents_counts = [told[process][1] for process in ("parent", "child", "grandchild", "parent_again")]
    instances = [told[process][2] for process in ("parent", "child", "grandchild", "parent_again")]

    assert told["inherited"] == 0
    assert ports[0] == ports[3]
    assert ports[0] < ports[1] < ports[2]
    assert has_parents_counts == [True, False, False, True]
    assert len(set(instances)) == 3
