"""What a real Prometheus knows of services: the same figures as PromQL's own functions find."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_server import backfill, running

from otel_dbmon.command import main
from otel_dbmon.querying.client import Client
from otel_dbmon.querying.prometheus import Prometheus
from otel_dbmon.querying.quantile import quantile
from otel_dbmon.top.reading import Query
from otel_dbmon.top.server import Server
from otel_dbmon_processors.analysis import analyze

SENT = "SELECT id FROM visits WHERE page = 'start'"
FOUND = analyze(SENT)
BOUNDS = ["0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1.0", "5.0", "10.0", "+Inf"]
_RANDOM = random.Random(4)
#: Calls per minute that fell into each bucket, of several made-up series.
SHAPES = [[_RANDOM.choice([0, 0, 1, 7, 60]) for _ in BOUNDS] for _ in range(40)]
SHAPES[:3] = [[0] * 10, [0] * 9 + [5], [9] + [0] * 9]


def page(now: int) -> Iterator[str]:
    """Ten minutes of two services of one job each, and of histograms of all shapes."""

    def series(name: str, labels: str, per_minute: float) -> Iterator[str]:
        for minute in range(11):
            yield f"{name}{{{labels}}} {minute * per_minute} {now - 600 + 60 * minute}"

    pattern = f'fingerprint="{FOUND.fingerprint}",summary="{FOUND.summary}"'
    for metric, unit in (("calls", 120), ("duration_seconds", 6)):
        name = f"database_query_pattern_{metric}"
        yield f"# TYPE {name} counter"
        for service in ("web", "jobs"):
            yield from series(f"{name}_total", f'job="{service}",service="{service}",{pattern}', unit)
        yield from series(f"{name}_total", 'job="web",service="web",otel_metric_overflow="true"', 60)
    yield "# TYPE db_client_operation_duration_seconds histogram"
    for service, errors in (("web", ""), ("web", ',error_type="timeout"'), ("jobs", "")):
        whose = f'job="{service}",db_query_summary="{FOUND.summary}"{errors}'
        for place, bound in enumerate(BOUNDS):
            yield from series("db_client_operation_duration_seconds_bucket", f'{whose},le="{bound}"', 6 * (place + 1))
        yield from series("db_client_operation_duration_seconds_count", whose, 60)
    yield "# TYPE database_query_duration_seconds histogram"
    for number, shape in enumerate(SHAPES):
        count = 0
        for bound, more in zip(BOUNDS, shape, strict=True):
            count += more
            labels = f'service="shape{number}",le="{bound}"'
            yield from series("database_query_duration_seconds_bucket", labels, count)
    yield "# TYPE database_errors counter"
    yield from series("database_errors_total", 'service="web",error_type="timeout"', 60)
    yield "# TYPE database_connections_active gauge"
    yield from series("database_connections_active", 'service="web",database="shop",pool="main"', 0.5)
    yield "# TYPE database_connections_max gauge"
    yield from series("database_connections_max", 'service="web",database="shop",pool="main"', 1.5)
    yield "# TYPE ALERTS gauge"
    yield from series("ALERTS", 'alertname="DatabasePoolExhausted",alertstate="firing",service="web",pool="main"', 1)
    yield "# EOF"
    yield ""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that has scraped for ten minutes."""
    folder = tmp_path_factory.mktemp("prometheus")
    backfill("\n".join(page(int(time.time()))), folder)
    with running(folder) as address:
        yield address


def test_quantiles_are_those_of_promql(url: str) -> None:
    """Of all shapes of histograms, at several shares."""
    prometheus = Prometheus(url, Client())
    rates = "rate(database_query_duration_seconds_bucket[9m])"
    histograms: dict[str, dict[float, float]] = {}
    at = time.time()
    for sample in prometheus.instant(rates, at):
        histograms.setdefault(sample.labels["service"], {})[float(sample.labels["le"])] = sample.value
    assert len(histograms) == len(SHAPES)
    for share in (0.0, 0.1, 0.5, 0.9, 0.95, 0.999, 1.0):
        theirs = prometheus.instant(f"histogram_quantile({share}, {rates})", at)
        expected = {sample.labels["service"]: sample.value for sample in theirs}
        for service, buckets in histograms.items():
            found = quantile(share, buckets)
            both_unknown = math.isnan(found) and math.isnan(expected[service])
            assert both_unknown or math.isclose(found, expected[service], rel_tol=1e-9), (service, share, buckets)


def test_a_reading_holds_what_services_do(url: str) -> None:
    """Patterns with the percentiles and errors of their summary and job, what has no series, errors, pools, alerts."""
    reading = Server(Prometheus(url, Client()), "5m").read()

    queries = {(query.service, query.fingerprint): query for query in reading.queries}
    web, jobs, rest = (queries[key] for key in (("web", FOUND.fingerprint), ("jobs", FOUND.fingerprint), ("web", "")))
    assert (web.calls, web.mean) == (pytest.approx(2.0, rel=0.02), pytest.approx(0.05, rel=0.02))
    assert web.errors == pytest.approx(1.0, rel=0.02)
    assert jobs.errors == 0
    assert web.is_shared
    assert web.p50 == pytest.approx(0.1, rel=0.02)
    assert rest.summary == "(all others)"
    assert math.isnan(rest.p95)
    assert reading.totals.errors == {"timeout": pytest.approx(1.0, rel=0.02)}
    [pool] = reading.pools
    assert (pool.name, pool.active, pool.most) == ("main", 5.0, 15.0)
    assert [found.message for found in reading.found] == ["DatabasePoolExhausted web main"]


def test_one_service_only(url: str) -> None:
    """Its queries, and nobody else's."""
    reading = Server(Prometheus(url, Client()), "5m", "jobs").read()

    assert {query.service for query in reading.queries} == {"jobs"}
    assert reading.pools == ()


def test_a_window_that_holds_nothing_is_told_of(url: str) -> None:
    """Rather than an empty screen without a word."""
    reading = Server(Prometheus(url, Client()), "10s").read()

    assert reading.queries == ()
    assert "see --window" in reading.notes[0].lower()


def query(fingerprint: str) -> Query:
    """A row of the screen."""
    return Query("web", fingerprint, FOUND.summary, 1.0, 1.0, 0.0, 0.1, 0.1)


def test_a_pattern_has_a_trend_by_service_and_its_text_out_of_a_file(url: str) -> None:
    """Without a file, it is said where the text is."""
    prometheus = Prometheus(url, Client())
    bare = Server(prometheus, "5m").details(query(FOUND.fingerprint))
    known = Server(prometheus, "5m", texts=["SELECT 1", SENT]).details(query(FOUND.fingerprint))

    assert set(bare.trend) == {"web", "jobs"}
    assert bare.trend["web"][-1] == pytest.approx(2.0, rel=0.05)
    assert bare.text == ""
    assert "--file" in bare.note
    assert known.text == "SELECT id FROM visits WHERE page = ?"
    assert known.trend.keys() == bare.trend.keys()


def test_the_command_asks_it(url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As it asks an endpoint."""
    statements = tmp_path / "statements.sql"
    statements.write_text(f"{SENT};\n")
    assert main(["top", "--prometheus", url, "--window", "5m", "--file", str(statements), "--json"]) == 0

    answer = json.loads(capfd.readouterr().out)
    assert {query["service"] for query in answer["queries"]} == {"web", "jobs"}
    assert answer["source"] == url
