"""Empties tallies into the series they belong to, and knows every series: one book holds all metrics of a process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import NamedTuple, Protocol

from otel_dbmon_processors.config import Config
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.observation import Origin
from otel_dbmon_processors.patterns import PatternFigures, PatternTable
from otel_dbmon_processors.points import Family, NumberPoint
from otel_dbmon_processors.series import Counter, Histogram, Labels, SeriesTable
from otel_dbmon_semconv import attributes, metrics
from otel_dbmon_semconv.attributes import ErrorKind

#: ``db.system.name`` where the system is unknown; the semantic conventions' fallback value.
UNKNOWN_SYSTEM = "other_sql"


class Analyzed(Protocol):
    """What counting needs to know of a statement; hashable by identity."""

    @property
    def operation(self) -> str: ...
    @property
    def table(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def query_type(self) -> str: ...
    @property
    def complexity(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...


#: What the statements of one tally have in common: their analysis and origin; then, if they failed, the error's type,
#: exception and status code.
Key = tuple[Analyzed, Origin] | tuple[Analyzed, Origin, str, str, str]


class _Sinks(NamedTuple):
    """The series that the calls of one origin count in.

    Attributes:
        durations: Histograms of every call.
        calls: Counters of every call.
        slow: Counters of slow calls only.
        overflows: How many of those for every call are overflow series.
    """

    durations: tuple[Histogram, ...]
    calls: tuple[Counter, ...]
    slow: tuple[Counter, ...]
    overflows: int


class Tally(Histogram):
    """What happened to the statements of one origin since the tally was last emptied."""

    __slots__ = ("key", "sinks", "slow")

    def __init__(self, key: Key, start_ns: int, buckets: int) -> None:
        super().__init__(start_ns, buckets)
        self.key = key
        self.slow = 0
        self.sinks: _Sinks | None = None

    def clear(self) -> None:
        """Count from zero again."""
        super().clear()
        self.slow = 0


class Book:
    """The series of every metric. Not thread safe, its owner's lock guards it; only :meth:`families` takes that itself.

    Args:
        config: Switches of the families, bucket boundaries and bounds.
        guard: Counts what the bounds dropped; its own counts are given out as metrics too.
        start_ns: When counting began, nanoseconds since the epoch.
    """

    def __init__(self, config: Config, guard: Guard, start_ns: int) -> None:
        def counters(*keys: str) -> SeriesTable[Counter]:
            return SeriesTable(keys, config.max_series, Counter)

        def histograms(*keys: str) -> SeriesTable[Histogram]:
            return SeriesTable(keys, config.max_series, partial(Histogram, buckets=buckets))

        buckets = len(config.duration_buckets) + 1
        self._config = config
        self._guard = guard
        self._start_ns = start_ns
        self._durations = histograms(attributes.LABEL_OPERATION, attributes.LABEL_TABLE, attributes.LABEL_DATABASE)
        self._errors = counters(attributes.LABEL_OPERATION, attributes.LABEL_ERROR_TYPE, attributes.LABEL_DATABASE)
        self._announced: set[tuple[str, str]] = set()
        self._slow_queries = counters(attributes.LABEL_OPERATION, attributes.LABEL_TABLE)
        self._n_plus_one = counters(attributes.LABEL_TABLE)
        self._plan_changes = counters(attributes.LABEL_TABLE)
        self._complexities = counters(attributes.LABEL_QUERY_TYPE, attributes.LABEL_COMPLEXITY)
        self._operations = histograms(
            attributes.DB_SYSTEM_NAME,
            attributes.DB_NAMESPACE,
            attributes.DB_QUERY_SUMMARY,
            attributes.ERROR_TYPE,
            attributes.DB_RESPONSE_STATUS_CODE,
            attributes.SERVER_ADDRESS,
            attributes.SERVER_PORT,
        )
        self._patterns = PatternTable(config.top_queries, guard, start_ns)

    def enter(self, tally: Tally) -> None:
        """Count what the tally holds and empty it."""
        if tally.empty:
            return
        if tally.sinks is None:
            tally.sinks = self._sinks(*tally.key, start_ns=tally.start_ns)
        sinks = tally.sinks
        calls = sum(tally.counts)
        for histogram in sinks.durations:
            histogram.absorb(tally)
        for counter in sinks.calls:
            counter.value += calls
        for counter in sinks.slow:
            counter.value += tally.slow
        if sinks.overflows:
            self._guard.drop("series", calls * sinks.overflows)
        if tally.slow:
            self._guard.drop("series", tally.slow * sum(counter.overflow for counter in sinks.slow))
        if self._config.database_metrics and self._config.top_queries:
            analysis = tally.key[0]
            errors = calls if len(tally.key) > 2 else 0
            self._patterns.add(
                analysis.fingerprint, analysis.summary, calls, tally.sum, tally.start_ns, tally.counts, errors
            )
        tally.clear()

    def count_n_plus_one(self, table: str, now_ns: int) -> None:
        """Count one N+1 pattern on this table."""
        counter = self._n_plus_one.series((table,), now_ns)
        counter.value += 1
        if counter.overflow:
            self._guard.drop("series")

    def count_plan(self, table: str, has_changed: bool, now_ns: int) -> None:
        """Count one look at a plan of a statement on this table: what has changed is seen from zero."""
        counter = self._plan_changes.series((table,), now_ns)
        counter.value += has_changed
        if has_changed and counter.overflow:
            self._guard.drop("series")

    def count_error(self, operation: str, error_type: str, database: str, now_ns: int) -> None:
        """Count one error without a statement."""
        counter = self._errors.series((operation, error_type, database), now_ns)
        counter.value += 1
        if counter.overflow:
            self._guard.drop("series")

    def patterns(self) -> tuple[PatternFigures, list[PatternFigures]]:
        """What was counted of all query patterns together, and of each that has a series."""
        return self._patterns.figures()

    def _sinks(
        self,
        analysis: Analyzed,
        origin: Origin,
        error_type: str = "",
        exception: str = "",
        status_code: str = "",
        *,
        start_ns: int,
    ) -> _Sinks:
        durations: list[Histogram] = []
        calls: list[Counter] = []
        slow: list[Counter] = []
        if self._config.client_metrics:
            labels = _client_labels(analysis, origin, exception or error_type, status_code)
            durations.append(self._operations.series(labels, start_ns))
        if self._config.database_metrics:
            operation, database = analysis.operation, origin.namespace or origin.system
            table = analysis.table
            self._announce(operation, table, database, start_ns)
            durations.append(self._durations.series((operation, table, database), start_ns))
            calls.append(self._complexities.series((analysis.query_type, analysis.complexity), start_ns))
            slow.append(self._slow_queries.series((operation, table), start_ns))
            if error_type:
                calls.append(self._errors.series((operation, error_type, database), start_ns))
        overflows = sum(series.overflow for series in durations) + sum(series.overflow for series in calls)
        return _Sinks(tuple(durations), tuple(calls), tuple(slow), overflows)

    def _announce(self, operation: str, table: str, database: str, start_ns: int) -> None:
        # rate() sees an event only if its counter was seen at zero before.
        if table:
            self._n_plus_one.announce((table,), start_ns)
        if (operation, database) in self._announced or len(self._announced) >= self._config.max_series:
            return
        self._announced.add((operation, database))
        for error_type in ErrorKind.VALUES:
            self._errors.announce((operation, error_type, database), start_ns)

    def families(self, lock: AbstractContextManager[object], now_ns: int) -> Iterator[Family]:
        """All families that are switched on; takes the lock for each series, never for long."""
        bounds = self._config.duration_buckets
        if self._config.database_metrics:
            yield Family(metrics.DATABASE_QUERY_DURATION, self._durations.points(lock), bounds)
            yield Family(metrics.DATABASE_ERRORS, self._errors.points(lock))
            yield Family(metrics.DATABASE_SLOW_QUERIES, self._slow_queries.points(lock))
            yield Family(metrics.DATABASE_N_PLUS_ONE, self._n_plus_one.points(lock))
            yield Family(metrics.DATABASE_PLAN_CHANGES, self._plan_changes.points(lock))
            yield Family(metrics.DATABASE_QUERY_COMPLEXITY, self._complexities.points(lock))
            if self._config.top_queries:
                with lock:
                    patterns = self._patterns.collect(now_ns)
                yield from patterns
        if self._config.client_metrics:
            yield Family(metrics.DB_CLIENT_OPERATION_DURATION, self._operations.points(lock), bounds)
        dropped = {"series": 0, "patterns": 0, **self._guard.dropped}
        yield Family(metrics.DBMON_FAILURES, self._health(attributes.LABEL_STAGE, dict(self._guard.failures)))
        yield Family(metrics.DBMON_DROPPED, self._health(attributes.LABEL_WHAT, dropped))

    def _health(self, key: str, counts: dict[str, int]) -> list[NumberPoint]:
        return [NumberPoint((self, what), {key: what}, self._start_ns, count) for what, count in counts.items()]


def _client_labels(analysis: Analyzed, origin: Origin, error: str, status_code: str) -> Labels:
    """The attributes of ``db.client.operation.duration``; what is unknown is absent, as the conventions ask."""
    return (
        origin.system or UNKNOWN_SYSTEM,
        origin.namespace or None,
        analysis.summary or None,
        error or None,
        status_code or None,
        origin.server_address or None,
        origin.server_port or None,
    )
