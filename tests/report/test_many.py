"""Ten thousand query patterns."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from filling import END, Counter, Page
from prometheus_server import backfill, running
from test_regression import judge

from otel_dbmon.querying.client import Client
from otel_dbmon.querying.prometheus import Prometheus
from otel_dbmon.report.gather import Gatherer
from otel_dbmon.report.model import Report
from otel_dbmon.report.period import Period

MANY, OFTEN, HOUR = 10_000, 50, 3600


def test_a_few_of_many_are_found() -> None:
    """Twenty of ten thousand became slower; the correction for so many comparisons finds them, and hardly another."""
    told = [int(change.pattern.fingerprint) for change in judge(random.Random(1), MANY, 0.3, 0.1, slower=20).slower]
    assert len([number for number in told if number < 20]) >= 18
    assert len([number for number in told if number >= 20]) <= 2


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """Of a Prometheus with ten thousand patterns, on an hour; fifty of them are scraped often enough to be judged."""
    page, folder = Page(), tmp_path_factory.mktemp("many")
    for number in range(MANY):
        labels = {"service": "shop", "fingerprint": f"{number:016x}", "summary": f"SELECT table_{number}"}
        calls = Counter(page, "database_query_pattern_calls", labels)
        seconds = Counter(page, "database_query_pattern_duration_seconds", labels)
        for at in range(END - 2 * HOUR, END + 1, 100 if number < OFTEN else 1200):
            calls.add(at, 20)
            seconds.add(at, 20 * (0.002 if at > END - HOUR and number < 5 else 0.001) * (1 + number % 7 / 100))
    durations = Counter(page, "database_errors", {"service": "shop", "operation": "SELECT", "error_type": "timeout"})
    for at in range(END - 2 * HOUR, END + 1, 100):
        durations.add(at, 1)
        page.tell(
            "database_query_duration_seconds",
            "histogram",
            "database_query_duration_seconds_count",
            {"service": "shop", "operation": "SELECT", "table": "t"},
            at,
            durations.value,
        )
    backfill(str(page), folder)
    with running(folder, "--storage.tsdb.retention.time=100y") as url, Client(timeout_s=60) as client:
        yield Gatherer(Prometheus(url, client), Period(END, HOUR)).gather()


def test_all_of_them_are_reported(report: Report) -> None:
    """The costliest first."""
    assert len(report.patterns) == MANY
    seconds = [pattern.seconds.now or 0 for pattern in report.patterns]
    assert seconds == sorted(seconds, reverse=True)


def test_those_that_ran_often_enough_are_judged(report: Report) -> None:
    """Five of fifty became slower."""
    assert report.has_before
    assert (report.changes.tested, report.changes.untested) == (OFTEN, MANY - OFTEN)
    assert sorted(int(change.pattern.fingerprint, 16) for change in report.changes.slower) == [0, 1, 2, 3, 4]
