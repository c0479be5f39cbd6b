"""What the endpoint answers `otel-dbmon top`: figures, texts, findings; to whom, and what never."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from launching import Launched

from otel_dbmon.live import PATTERN, PATTERNS, LivePages, RecentFindings
from otel_dbmon.prometheus import PrometheusEndpoint
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.observation import ErrorFacts, Observation, Origin
from otel_dbmon_processors.pipeline import Pipeline

SECRET = "canary-4711@example.com"
STATEMENT = f"SELECT * FROM users WHERE lower(email) = '{SECRET}'"
ORIGIN = Origin("postgresql", "shop")
SECOND_NS = 1_000_000_000


class Service:
    """A pipeline and its pages."""

    def __init__(self, with_text: bool = True, most: int = 200, **config: Any) -> None:
        self.pipeline = Pipeline(Config(**config))
        self.pages = LivePages(self.pipeline, with_text, RecentFindings(most=most))

    def run(self, statement: str = STATEMENT, duration_ns: int = 2_000_000, error: ErrorFacts | None = None) -> None:
        """Let a statement run."""
        self.pipeline.observe(Observation(statement, ORIGIN, SECOND_NS, duration_ns, error))

    def ask(self, path: str, query: str = "") -> Any:
        """A page as data, None if there is none."""
        page = self.pages.page(path, query)
        return None if page is None else json.loads(page)


def test_figures_of_a_pattern_are_those_of_its_calls() -> None:
    """Calls, time, errors and the buckets they fell into; and the sum over all patterns."""
    service = Service()
    service.run()
    service.run(duration_ns=20_000_000)
    service.run(error=ErrorFacts("timeout"))

    page = service.ask(PATTERNS)

    [pattern] = page["patterns"]
    assert (pattern["summary"], pattern["calls"], pattern["time_ns"], pattern["errors"]) == (
        "SELECT users", 3, 24_000_000, 1,
    )  # fmt: skip
    assert pattern["buckets"] == [0, 2, 0, 1, 0, 0, 0, 0, 0, 0]
    assert page["bounds"] == list(Config().duration_buckets)
    assert (page["total"]["calls"], page["total"]["time_ns"]) == (3, 24_000_000)


def test_a_statement_comes_without_its_values_and_with_advice() -> None:
    """By its fingerprint: text, kind, analysis, and what its text proves."""
    service = Service()
    service.run()
    fingerprint = service.ask(PATTERNS)["patterns"][0]["fingerprint"]

    page = service.ask(PATTERN, f"fingerprint={fingerprint}")

    assert page["text"] == "SELECT * FROM users WHERE lower(email) = ?"
    assert (page["type"], page["tables"], page["system"]) == ("select", ["users"], "postgresql")
    assert any("lower(email)" in said for said in page["advice"])
    assert page["findings"] == []


def test_findings_say_where_and_how_often() -> None:
    """The same kind at the same line is one, with the newest number; asked for after a number, only newer ones come."""
    service = Service(slow_query_threshold_ns=SECOND_NS)
    for _ in range(3):
        service.run(duration_ns=2 * SECOND_NS)
    service.run("SELECT name FROM shops", duration_ns=SECOND_NS)

    page = service.ask(PATTERNS)

    first, second = page["findings"]
    assert (first["kind"], first["times"], first["number"]) == ("slow_query", 3, 3)
    assert first["path"].endswith("test_live.py")
    assert first["message"] == "Slow query detected: SELECT (2000ms)"
    assert service.ask(PATTERNS, "after=3")["findings"] == [second]
    assert service.ask(PATTERNS, "after=nonsense")["findings"] == [first, second]
    assert len(service.ask(PATTERN, f"fingerprint={first['fingerprint']}")["findings"]) == 1


def test_the_memory_of_findings_is_bounded() -> None:
    """The oldest one goes."""
    service = Service(most=2, slow_query_threshold_ns=1)
    for table in "abc":
        service.run(f"SELECT x FROM {table}")

    assert [found["summary"] for found in service.ask(PATTERNS)["findings"]] == ["SELECT b", "SELECT c"]


def test_no_value_is_on_any_page() -> None:
    """Neither in text nor in findings or advice, whatever ran."""
    service = Service(slow_query_threshold_ns=1)
    service.run()
    for statement in ("SELECT '{}' FROM dual", "broken '{}", "CREATE USER x PASSWORD '{}'"):
        service.run(statement.format(SECRET))
    patterns = service.ask(PATTERNS)["patterns"]

    pages = [service.ask(PATTERNS), *(service.ask(PATTERN, f"fingerprint={one['fingerprint']}") for one in patterns)]

    assert len(pages) == 5
    assert SECRET not in json.dumps(pages)


def test_the_text_stays_where_it_may_not_leave() -> None:
    """OTEL_DBMON_QUERY_TEXT=false; all else is there."""
    service = Service(with_text=False)
    service.run()
    fingerprint = service.ask(PATTERNS)["patterns"][0]["fingerprint"]

    page = service.ask(PATTERN, f"fingerprint={fingerprint}")

    assert (page["text"], page["type"]) == ("", "select")


@pytest.mark.parametrize(
    ("path", "query"),
    [(PATTERN, ""), (PATTERN, "fingerprint=0123456789abcdef"), (PATTERN, "fingerprint=" + "a" * 100), ("/dbmon/x", "")],
)
def test_there_is_no_other_page(path: str, query: str) -> None:
    """What is not known is not there."""
    service = Service()
    service.run()

    assert service.ask(path, query) is None


def get(port: int | None, path: str, host: str = "localhost") -> tuple[int, bytes]:
    """Status and body of an answer."""
    assert port is not None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.fixture(params=[("localhost", False), ("127.0.0.1", False), ("0.0.0.0", False), ("0.0.0.0", True)], ids=str)
def served(request: pytest.FixtureRequest) -> Iterator[tuple[PrometheusEndpoint, bool]]:
    """An endpoint with pages, and whether they are to be had there."""
    host, everywhere = request.param
    service = Service()
    endpoint = PrometheusEndpoint(host, 0, live=service.pages, live_everywhere=everywhere)
    endpoint.start()
    yield endpoint, everywhere or host != "0.0.0.0"
    endpoint.shutdown()


def test_pages_are_served_on_the_loopback_address_only(served: tuple[PrometheusEndpoint, bool]) -> None:
    """Unless somebody asked for more: sanitized statements are nobody else's business."""
    endpoint, is_there = served

    status, body = get(endpoint.port, PATTERNS)

    assert status == (200 if is_there else 404)
    assert (b"patterns" in body) is is_there


@pytest.mark.parametrize("host", ["shop.example.com", "localhost.example.com", "192.0.2.1:9464", ""])
def test_a_web_page_elsewhere_cannot_ask(host: str) -> None:
    """A stranger's name that resolves to the loopback address is still a stranger's name."""
    endpoint = PrometheusEndpoint("localhost", 0, live=Service().pages)
    endpoint.start()
    try:
        assert get(endpoint.port, PATTERNS, host)[0] == 404
        for name in ("localhost", "localhost:9464", "127.0.0.1:1", "[::1]:9464"):
            assert get(endpoint.port, PATTERNS, name)[0] == 200
    finally:
        endpoint.shutdown()


@pytest.mark.parametrize(("live", "expected"), [("local", 200), ("never", 404)])
def test_a_launched_service_answers(live: str, expected: int) -> None:
    """With nothing changed in it; and not where OTEL_DBMON_LIVE says never."""
    with Launched("statements.py", {"OTEL_DBMON_LIVE": live}) as service:
        service.output.readline()
        status, body = get(service.port, PATTERNS)

    assert status == expected
    assert b"canary" not in body
    if status == 200:
        summaries = {pattern["summary"]: pattern["calls"] for pattern in json.loads(body)["patterns"]}
        assert summaries["SELECT users"] == 20
