"""What the report says is what a real Prometheus answers to the questions that it shows."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from filling import DAY, END, HOSTILE, NEW, SLOWER, STEADY

sys.path.insert(0, str(Path(__file__).parents[1]))
from promql import declared, labels_left

from otel_dbmon.querying.prometheus import Prometheus
from otel_dbmon.report.gather import Gatherer
from otel_dbmon.report.model import Amount, Report
from otel_dbmon.report.period import Period
from otel_dbmon.report.questions import SERVICE, Questions

PERIOD = Period(END, DAY)


@pytest.fixture(scope="module")
def report(prometheus: Prometheus) -> Report:
    """On the last day, against the one before."""
    return Gatherer(prometheus, PERIOD).gather()


def ask(prometheus: Prometheus, query: str, by: Sequence[str], at: float) -> dict[tuple[str, ...], float]:
    """What Prometheus itself answers."""
    found = prometheus.instant(query, at)
    return {tuple(sample.labels.get(name, "") for name in by): sample.value for sample in found}


#: As the page shows them, written out: what a reader would type.
SHOWN = {
    "services.statements": "sum by (service) (increase(database_query_duration_seconds_count[1d]))",
    "services.seconds": "sum by (service) (increase(database_query_duration_seconds_sum[1d]))",
    "services.p95_s": "histogram_quantile(0.95, sum by (le, service) "
    "(increase(database_query_duration_seconds_bucket[1d])))",
    "services.errors": "sum by (service) (increase(database_errors_total[1d]))",
    "services.slow": "sum by (service) (increase(database_slow_queries_total[1d]))",
    "services.n_plus_one": "sum by (service) (increase(database_n_plus_one_total[1d]))",
    "patterns.calls": "sum by (service, fingerprint, summary) (increase(database_query_pattern_calls_total[1d]))",
    "patterns.seconds": "sum by (service, fingerprint, summary) "
    "(increase(database_query_pattern_duration_seconds_total[1d]))",
    "slow.count": "sum by (service, operation, table) (increase(database_slow_queries_total[1d]))",
    "tables.calls": "sum by (service, table) (increase(database_query_duration_seconds_count[1d]))",
    "tables.seconds": "sum by (service, table) (increase(database_query_duration_seconds_sum[1d]))",
    "tables.p95_s": "histogram_quantile(0.95, sum by (le, service, table) "
    "(increase(database_query_duration_seconds_bucket[1d])))",
    "errors.count": "sum by (service, operation, error_type) (increase(database_errors_total[1d]))",
    "n_plus_one.count": "sum by (service, table) (increase(database_n_plus_one_total[1d]))",
    "pools.active": "max by (service, database, pool) (max_over_time(database_connections_active[1d]))",
    "pools.peak": "max by (service, database, pool) (max_over_time(database_connections_active[1d]) / "
    "(max_over_time(database_connections_max[1d]) > 0))",
    "pools.left": "min by (service, database, pool) ((max_over_time(database_connections_max[1d]) > 0) - "
    "max_over_time(database_connections_active[1d]))",
    "pools.wait_p95_s": "histogram_quantile(0.95, sum by (le, service, database, pool) "
    "(increase(database_connection_wait_time_seconds_bucket[1d])))",
    "pools.timeouts": "sum by (service, database, pool) (increase(database_connection_timeouts_total[1d]))",
}
LABELS: Mapping[str, Sequence[str]] = {
    "services": ("service",),
    "patterns": ("service", "fingerprint", "summary"),
    "slow": ("service", "operation", "table"),
    "tables": ("service", "table"),
    "errors": ("service", "operation", "error_type"),
    "n_plus_one": ("service", "table"),
    "pools": ("service", "database", "pool"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_every_number_is_what_promql_answers(prometheus: Prometheus, report: Report, name: str) -> None:
    """In the period and in the one before, for every series there is."""
    section, number = name.split(".")
    by = LABELS[section]
    told: dict[tuple[str, ...], Amount] = {
        tuple(getattr(row, label) for label in by): getattr(row, number) for row in getattr(report, section)
    }
    assert told
    now, before = (ask(prometheus, SHOWN[name], by, at) for at in (END, END - DAY))
    for key, amount in told.items():
        assert amount.now == (None if now.get(key) != now.get(key) else now.get(key))
        assert amount.before == (None if before.get(key) != before.get(key) else before.get(key))
    # What is left out is nothing.
    assert not any(value > 0 for key, value in {**before, **now}.items() if key not in told)


def test_charts_are_what_promql_answers(prometheus: Prometheus, report: Report) -> None:
    """Window by window."""
    query = "sum by (service) (increase(database_query_duration_seconds_count[1h])) / 3600"
    (asked,) = (
        found for found in prometheus.range(query, END - DAY + 3600, END, 3600) if found.labels["service"] == "shop"
    )
    (told,) = (curve for curve in report.load if curve.label == "shop")
    assert told.now == tuple(value for _, value in asked.points)
    assert len(told.now) == len(told.before) == 24


def test_the_numbers_are_true(report: Report) -> None:
    """Processes are summed, a restart and the first scrape of a series cost next to nothing."""
    statements = {found.service: found.statements for found in report.services}
    expected = {"shop": 2 * 1.7 * 900 * 288, "billing": 1.7 * 300 * 288}
    for service, count in expected.items():
        assert statements[service].now == pytest.approx(count, rel=0.03)
        assert statements[service].before == pytest.approx(count, rel=0.03)


def test_what_started_with_a_number_counts_from_its_first_scrape(report: Report) -> None:
    """Nobody knows when the 5,000 statements before it ran; the period before had none."""
    (late,) = (found for found in report.services if found.service == "late")
    assert late.statements.now == pytest.approx(1.7 * 40 * 72, rel=0.4)
    assert late.statements.before is None


def test_only_what_became_slower_is_told(report: Report) -> None:
    """Of thirty-one patterns that share a daily rhythm; one that is new is told as new."""
    (slower,) = report.changes.slower
    assert slower.pattern.fingerprint == SLOWER
    assert slower.ratio == pytest.approx(2, rel=0.2)
    assert slower.typical_ratio == pytest.approx(2, rel=0.2)
    assert slower.q_value < 0.001
    assert report.changes.tested == STEADY + 1
    assert [pattern.fingerprint for pattern in report.changes.appeared] == [NEW]


def test_a_pool_that_grows_is_foretold(report: Report) -> None:
    """Half a connection more a day at the peak, of forty: the fullest process's pool is full in about four weeks."""
    (pool,) = report.pools
    assert pool.forecast.verdict == "grows"
    assert pool.forecast.slope_per_day == pytest.approx(0.5 / 40, rel=0.15)
    assert pool.forecast.exhausted_in_s is not None
    assert 20 * DAY < pool.forecast.exhausted_in_s < 40 * DAY
    assert pool.forecast.earliest_s is not None
    assert pool.forecast.earliest_s < pool.forecast.exhausted_in_s
    assert (pool.limit, pool.left.now) == (40, 40 - (pool.active.now or 0))


@pytest.mark.parametrize("services", [(HOSTILE,), (HOSTILE, "billing"), ("sh.*",), ("nobody",)])
def test_services_are_names_and_no_patterns(prometheus: Prometheus, services: tuple[str, ...]) -> None:
    """Whatever characters they have."""
    report = Gatherer(prometheus, PERIOD, services).gather()
    assert {found.service for found in report.services} == set(services) & {HOSTILE, "billing"}


def test_without_a_period_before_nothing_is_compared(prometheus: Prometheus) -> None:
    """A Prometheus that is a day old says so; numbers of the period are whole."""
    report = Gatherer(prometheus, Period(END - DAY, DAY)).gather()
    assert not report.has_before
    assert report.covered_before == 0
    assert all(found.statements.before is None for found in report.services)
    assert {found.service for found in report.services} == {"shop", "billing", HOSTILE}
    assert not report.changes.tested
    assert not report.changes.appeared


def test_half_a_period_before_is_not_compared_with(prometheus: Prometheus) -> None:
    """Its sums would be too low."""
    report = Gatherer(prometheus, Period(END - DAY // 2, DAY)).gather()
    assert 0.4 < report.covered_before < 0.6
    assert not report.has_before


def test_an_empty_prometheus_gives_an_empty_report(prometheus: Prometheus) -> None:
    """A year ago there was nothing."""
    report = Gatherer(prometheus, Period(END - 365 * DAY, DAY)).gather()
    assert (report.services, report.patterns, report.pools, report.load) == ((), (), (), ())
    assert not report.has_before


@pytest.mark.parametrize("services", [(), ("a",), ("a", 'b"\\.')])
def test_questions_hold_declared_names_only(services: tuple[str, ...]) -> None:
    """Every metric and label of every question is in the registry."""
    asked = Questions(services, 3600)
    by_service = [asked.statements, asked.seconds, asked.quantile, asked.mean, asked.per_second, asked.errors]
    questions = [question(SERVICE) for question in [*by_service, asked.slow, asked.n_plus_one]]
    questions += [asked.pattern_calls(), asked.pattern_seconds(), asked.pool_peak(), asked.pool_left()]
    questions += [
        asked.pool_limit(),
        asked.pool_active(),
        asked.pool_wait(),
        asked.pool_timeouts(),
        asked.suggestions(),
    ]
    for question in questions:
        assert "service" in labels_left(question, declared())
