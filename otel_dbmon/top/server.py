"""Asks a Prometheus for what services count: answers to instant queries go in, readings come out."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from otel_dbmon.querying.prometheus import Prometheus, Sample
from otel_dbmon.querying.promql import quoted, seconds_in
from otel_dbmon.top import rates
from otel_dbmon.top.rates import Key
from otel_dbmon.top.reading import ALERT, Details, Found, Query, Reading
from otel_dbmon_processors.advice import Adviser
from otel_dbmon_processors.analysis import analyze
from otel_dbmon_processors.finding import SLOW_QUERY
from otel_dbmon_semconv import metrics as names

_CALLS = names.DATABASE_QUERY_PATTERN_CALLS.prometheus_name
_SECONDS = names.DATABASE_QUERY_PATTERN_DURATION.prometheus_name
_DURATION = names.DATABASE_QUERY_DURATION.prometheus_name
_CLIENT = names.DB_CLIENT_OPERATION_DURATION.prometheus_name
_POOL = "service, database, pool"
#: How far back a pattern's trend goes, and in how many steps, in seconds.
_TREND_S, _STEPS = 3600.0, 60
_NO_TEXT = (
    "Prometheus holds no statements. They are in the spans' db.query.text, in the service's own endpoint "
    "(otel-dbmon top localhost:9464), or in a file: --file statements.sql"
)
_GAUGES = {
    rates.ACTIVE: names.DATABASE_CONNECTIONS_ACTIVE,
    rates.IDLE: names.DATABASE_CONNECTIONS_IDLE,
    rates.MOST: names.DATABASE_CONNECTIONS_MAX,
    rates.PENDING: names.DATABASE_CONNECTIONS_PENDING,
}


class Server:
    """A Prometheus that has our metrics.

    Args:
        prometheus: The server.
        window: Over how long rates are, as PromQL writes it.
        service: Whose queries are shown; everybody's if "".
        texts: Statements, to be found by their fingerprints.
    """

    def __init__(self, prometheus: Prometheus, window: str, service: str = "", texts: Sequence[str] = ()) -> None:
        self._prometheus = prometheus
        self._window = window
        self._window_s = seconds_in(window)
        self._matcher = f"service={quoted(service)}" if service else ""
        self._texts = texts
        self._known: dict[str, str] | None = None

    @property
    def name(self) -> str:
        """Its address."""
        return self._prometheus.url

    def read(self) -> Reading:
        """What happened in the last window.

        Raises:
            UnansweredError: Prometheus does not answer.
        """
        found: dict[Key, float] = defaultdict(float)
        services = self._patterns(found)
        self._summaries(found, services)
        self._all(found)
        gauges = {
            (what, *_values(sample, "service", "database", "pool")): sample.value
            for what, metric in _GAUGES.items()
            for sample in self._sum(_POOL, self._select(metric.prometheus_name))
        }
        empty = not any(key[0] == rates.ALL_BUCKET for key in found)
        notes = [f"no rates over {self._window}: is it scraped that often? See --window"] if empty else []
        return rates.reading(time.time(), self._window_s, found, gauges, self._alerts(), notes)

    def _patterns(self, found: dict[Key, float]) -> dict[str, list[str]]:
        """Add what patterns do; answers which services a job has."""
        services: dict[str, list[str]] = defaultdict(list)
        for what, metric in ((rates.CALLS, _CALLS), (rates.SECONDS, _SECONDS)):
            for sample in self._sum("job, service, fingerprint, summary", self._rate(metric)):
                job, service, fingerprint, summary = _values(sample, "job", "service", "fingerprint", "summary")
                found[what, service, fingerprint, summary] += sample.value
                if service not in services[job]:
                    services[job].append(service)
        return services

    def _summaries(self, found: dict[Key, float], services: Mapping[str, list[str]]) -> None:
        """Add percentiles and errors. These series know their job, and not their service."""
        job_of = "job, db_query_summary"
        failed = f'rate({_CLIENT}_count{{error_type!=""}}[{self._window}])'
        for sample in self._sum(f"{job_of}, le", f"rate({_CLIENT}_bucket[{self._window}])"):
            job, summary, bound = _values(sample, "job", "db_query_summary", "le")
            for service in services.get(job, ()):
                found[rates.SUMMARY_BUCKET, service, summary, str(float(bound))] += sample.value
                # Who is known here and has no errors has none, rather than nobody knows how many.
                found[rates.SUMMARY_FAILED, service, summary] += 0.0
        for sample in self._sum(job_of, failed):
            job, summary = _values(sample, "job", "db_query_summary")
            for service in services.get(job, ()):
                found[rates.SUMMARY_FAILED, service, summary] += sample.value

    def _all(self, found: dict[Key, float]) -> None:
        for sample in self._sum("le", self._rate(f"{_DURATION}_bucket")):
            found[rates.ALL_BUCKET, str(float(sample.labels["le"]))] += sample.value
        for what, by, metric in (
            (rates.ALL_SECONDS, (), f"{_DURATION}_sum"),
            (rates.ERRORS, ("error_type",), names.DATABASE_ERRORS.prometheus_name),
            (rates.SLOW, (), names.DATABASE_SLOW_QUERIES.prometheus_name),
            (rates.N_PLUS_ONE, (), names.DATABASE_N_PLUS_ONE.prometheus_name),
            (rates.TIMEOUTS, ("service", "database", "pool"), names.DATABASE_CONNECTION_TIMEOUTS.prometheus_name),
        ):
            for sample in self._sum(", ".join(by), self._rate(metric)):
                key = (what, *_values(sample, *by))
                found[key] = sample.value

    def _alerts(self) -> Iterator[Found]:
        """Alerts about databases that fire: what Prometheus has of findings."""
        for sample in self._prometheus.instant('ALERTS{alertstate="firing", alertname=~"Database.*"}'):
            labels = sample.labels
            about = [labels[name] for name in ("service", "database", "table", "pool") if labels.get(name)]
            yield Found(0.0, ALERT, " ".join([labels.get("alertname", ""), *about]), is_alert=True)

    def _select(self, metric: str) -> str:
        return f"{metric}{{{self._matcher}}}"

    def _rate(self, metric: str) -> str:
        return f"rate({self._select(metric)}[{self._window}])"

    def _sum(self, by: str, expression: str) -> list[Sample]:
        return self._prometheus.instant(f"sum by ({by}) ({expression})")

    def details(self, query: Query) -> Details:
        """The trend of a pattern, and its statement where a file has it.

        Raises:
            UnansweredError: Prometheus does not answer.
        """
        now = time.time()
        labels = f"fingerprint={quoted(query.fingerprint)},summary={quoted(query.summary)}"
        series = self._prometheus.range(
            f"sum by (service) (rate({_CALLS}{{{labels}}}[{self._window}]))", now - _TREND_S, now, _TREND_S / _STEPS
        )
        trend = {one.labels.get("service", ""): tuple(value for _, value in one.points) for one in series}
        statement = self._texts_by_fingerprint().get(query.fingerprint)
        if statement is None:
            return Details(trend=trend, facts=(("fingerprint", query.fingerprint),), note=_NO_TEXT)
        analysis = analyze(statement)
        said = Adviser().advise(SLOW_QUERY, analysis, analysis.sanitized, "")
        facts = (
            ("type", analysis.query_type),
            ("complexity", analysis.complexity),
            ("tables", ", ".join(analysis.collections)),
            ("fingerprint", query.fingerprint),
        )
        advice = tuple(f"{one.seen} {one.cost} {one.remedy}" for one in said if one.topic != "offset")
        return Details(analysis.sanitized, facts, analysis.explanation, advice, trend=trend)

    def _texts_by_fingerprint(self) -> dict[str, str]:
        if self._known is None:
            self._known = {analyze(text).fingerprint: text for text in self._texts}
        return self._known


def _values(sample: Sample, *labels: str) -> Key:
    return tuple(sample.labels.get(label, "") for label in labels)
