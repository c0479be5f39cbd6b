"""Takes one page of a Prometheus endpoint, as a scrape gets it; answers with a report that knows no period.

Its counters count from the start of the service, its pools are those of one moment, and there is nothing before it to
compare with. The questions below its tables give the same numbers where a Prometheus has scraped the same page.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from otel_dbmon.querying.quantile import quantile
from otel_dbmon.report.capacity import forecast
from otel_dbmon.report.model import (
    NOTHING_KNOWN,
    Amount,
    ErrorKind,
    NPlusOne,
    Pattern,
    Pool,
    Report,
    Service,
    Slow,
    Suggested,
    TableUse,
    of,
)
from otel_dbmon.report.questions import ERROR, PATTERN, POOL, QUANTILE, SERVICE, STATEMENT, TABLE
from otel_dbmon_semconv.attributes import LABEL_SERVICE
from otel_dbmon_semconv.declarations import Metric
from otel_dbmon_semconv.metrics import (
    DATABASE_CONNECTION_TIMEOUTS,
    DATABASE_CONNECTION_WAIT_TIME,
    DATABASE_CONNECTIONS_ACTIVE,
    DATABASE_CONNECTIONS_MAX,
    DATABASE_ERRORS,
    DATABASE_INDEX_SUGGESTIONS,
    DATABASE_N_PLUS_ONE,
    DATABASE_QUERY_DURATION,
    DATABASE_QUERY_PATTERN_CALLS,
    DATABASE_QUERY_PATTERN_DURATION,
    DATABASE_SLOW_QUERIES,
)

Key = tuple[str, ...]


class NotAPageError(Exception):
    """A file that is no page of metrics; the message says which, and why."""


def report_on(path: Path, services: Sequence[str] = ()) -> Report:
    """The report on one scrape.

    Args:
        path: The page, in the text format of Prometheus.
        services: Whose metrics; everybody's if empty.

    Raises:
        NotAPageError: It cannot be read, or holds nothing of ours.
    """
    page = _Page(_samples(path), services)
    if not page.has(DATABASE_QUERY_DURATION) and not page.has(DATABASE_CONNECTIONS_ACTIVE):
        whose = f" of {', '.join(services)}" if services else ""
        raise NotAPageError(f"{path}: holds no {DATABASE_QUERY_DURATION.prometheus_name}{whose}")
    return Report(
        source=path.name,
        made_at=time.time(),
        period=None,
        services_asked=tuple(services),
        services=tuple(_services(page)),
        patterns=tuple(_patterns(page)),
        slow=tuple(Slow(key[0], key[1], key[2], count) for key, count in page.most(DATABASE_SLOW_QUERIES, STATEMENT)),
        tables=tuple(_tables(page)),
        errors=tuple(ErrorKind(key[0], key[1], key[2], count) for key, count in page.most(DATABASE_ERRORS, ERROR)),
        pools=tuple(_pools(page)),
        n_plus_one=tuple(NPlusOne(key[0], key[1], count) for key, count in page.most(DATABASE_N_PLUS_ONE, TABLE)),
        suggested=tuple(
            Suggested(key[0], key[1], count.now or 0) for key, count in page.most(DATABASE_INDEX_SUGGESTIONS, TABLE)
        ),
    )


def _samples(path: Path) -> list[Sample]:
    try:
        text = path.read_text(encoding="utf-8")
        return [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except OSError as error:
        raise NotAPageError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NotAPageError(f"{path}: is no text") from None
    except (ValueError, KeyError, IndexError):
        raise NotAPageError(f"{path}: is no page of metrics in the text format of Prometheus") from None


class _Page:
    """The samples of a page, by the name of their series."""

    def __init__(self, samples: Sequence[Sample], services: Sequence[str]) -> None:
        self._series: dict[str, list[Sample]] = {}
        for sample in samples:
            if not services or sample.labels.get(LABEL_SERVICE) in services:
                self._series.setdefault(sample.name, []).append(sample)

    def has(self, metric: Metric) -> bool:
        """Whether anything is told of a metric."""
        return any(name in self._series for name in (metric.prometheus_name, f"{metric.prometheus_name}_count"))

    def sums(self, metric: Metric, by: Sequence[str], part: str = "") -> dict[Key, Amount]:
        """The sum of all series with the same values of these labels."""
        found: dict[Key, float] = {}
        for sample in self._series.get(f"{metric.prometheus_name}{part}", ()):
            key = _key(sample, by)
            found[key] = found.get(key, 0.0) + sample.value
        return {key: Amount(value) for key, value in found.items()}

    def most(self, metric: Metric, by: Sequence[str]) -> list[tuple[Key, Amount]]:
        """What happened the most, first; what did not happen is left out."""
        found = [(key, amount) for key, amount in self.sums(metric, by).items() if amount.now]
        return sorted(found, key=lambda entry: (-(entry[1].now or 0), entry[0]))

    def quantiles(self, metric: Metric, by: Sequence[str]) -> dict[Key, Amount]:
        """What all but the largest values did not exceed."""
        buckets: dict[Key, dict[float, float]] = {}
        for sample in self._series.get(f"{metric.prometheus_name}_bucket", ()):
            bounds = buckets.setdefault(_key(sample, by), {})
            bound = float(sample.labels["le"])
            bounds[bound] = bounds.get(bound, 0.0) + sample.value
        return {key: Amount(of(quantile(QUANTILE, bounds))) for key, bounds in buckets.items()}


def _services(page: _Page) -> Iterator[Service]:
    statements = page.sums(DATABASE_QUERY_DURATION, SERVICE, "_count")
    seconds = page.sums(DATABASE_QUERY_DURATION, SERVICE, "_sum")
    p95, errors = page.quantiles(DATABASE_QUERY_DURATION, SERVICE), page.sums(DATABASE_ERRORS, SERVICE)
    slow, n_plus_one = page.sums(DATABASE_SLOW_QUERIES, SERVICE), page.sums(DATABASE_N_PLUS_ONE, SERVICE)
    for key in _costliest(statements, seconds):
        others = (found.get(key, NOTHING_KNOWN) for found in (p95, errors, slow, n_plus_one))
        yield Service(key[0], statements[key], seconds[key], *others)


def _patterns(page: _Page) -> Iterator[Pattern]:
    calls = page.sums(DATABASE_QUERY_PATTERN_CALLS, PATTERN)
    seconds = page.sums(DATABASE_QUERY_PATTERN_DURATION, PATTERN)
    for key in _costliest(calls, seconds):
        yield Pattern(key[0], key[1], key[2], calls[key], seconds.get(key, NOTHING_KNOWN))


def _tables(page: _Page) -> Iterator[TableUse]:
    calls = page.sums(DATABASE_QUERY_DURATION, TABLE, "_count")
    seconds = page.sums(DATABASE_QUERY_DURATION, TABLE, "_sum")
    p95 = page.quantiles(DATABASE_QUERY_DURATION, TABLE)
    for key in _costliest(calls, seconds):
        yield TableUse(key[0], key[1], calls[key], seconds[key], p95.get(key, NOTHING_KNOWN))


def _pools(page: _Page) -> Iterator[Pool]:
    active, limits = page.sums(DATABASE_CONNECTIONS_ACTIVE, POOL), page.sums(DATABASE_CONNECTIONS_MAX, POOL)
    waits = page.quantiles(DATABASE_CONNECTION_WAIT_TIME, POOL)
    timeouts = page.sums(DATABASE_CONNECTION_TIMEOUTS, POOL)
    for key, now in sorted(active.items()):
        used, limit = now.now or 0.0, limits.get(key, NOTHING_KNOWN).now or None
        yield Pool(
            service=key[0],
            database=key[1],
            pool=key[2],
            limit=limit,
            active=now,
            peak=Amount(used / limit) if limit else NOTHING_KNOWN,
            left=Amount(limit - used) if limit else NOTHING_KNOWN,
            wait_p95_s=waits.get(key, NOTHING_KNOWN),
            timeouts=timeouts.get(key, NOTHING_KNOWN),
            forecast=forecast((), 0.0, bool(limit) and used >= (limit or 0)),
        )


def _costliest(calls: dict[Key, Amount], seconds: dict[Key, Amount]) -> list[Key]:
    ran = [key for key, amount in calls.items() if amount.now]
    return sorted(ran, key=lambda key: (-(seconds.get(key, NOTHING_KNOWN).now or 0), key))


def _key(sample: Sample, by: Sequence[str]) -> Key:
    return tuple(sample.labels.get(name, "") for name in by)
