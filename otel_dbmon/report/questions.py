"""Takes whose services and how long; answers with the PromQL that gives each number of the report.

Every question about a period is asked twice, as it stands: at the end of the period, and at its beginning, which is the
end of the period before. So whoever types it into Prometheus finds the report's own number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from otel_dbmon.querying.promql import duration, literal, quoted
from otel_dbmon_semconv.attributes import (
    LABEL_DATABASE,
    LABEL_ERROR_TYPE,
    LABEL_FINGERPRINT,
    LABEL_OPERATION,
    LABEL_POOL,
    LABEL_SERVICE,
    LABEL_SUMMARY,
    LABEL_TABLE,
)
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

SERVICE = (LABEL_SERVICE,)
TABLE = (LABEL_SERVICE, LABEL_TABLE)
STATEMENT = (LABEL_SERVICE, LABEL_OPERATION, LABEL_TABLE)
ERROR = (LABEL_SERVICE, LABEL_OPERATION, LABEL_ERROR_TYPE)
PATTERN = (LABEL_SERVICE, LABEL_FINGERPRINT, LABEL_SUMMARY)
POOL = (LABEL_SERVICE, LABEL_DATABASE, LABEL_POOL)
#: The share of statements that a service's slowest are slower than.
QUANTILE = 0.95


@dataclass(frozen=True)
class Questions:
    """PromQL over one length of time.

    Attributes:
        services: Whose metrics; everybody's if empty.
        over_s: How long, in seconds.
    """

    services: Sequence[str]
    over_s: int

    def statements(self, by: Sequence[str]) -> str:
        """How many statements ran."""
        return self._growth(DATABASE_QUERY_DURATION, "_count", by)

    def seconds(self, by: Sequence[str]) -> str:
        """How long they took together, in seconds."""
        return self._growth(DATABASE_QUERY_DURATION, "_sum", by)

    def quantile(self, by: Sequence[str]) -> str:
        """How long all but the slowest took at most, in seconds."""
        return self._quantile(DATABASE_QUERY_DURATION, by)

    def mean(self, by: Sequence[str]) -> str:
        """How long one took on average, in seconds; nothing where none ran."""
        return f"{self.seconds(by)} / ({self.statements(by)} > 0)"

    def per_second(self, by: Sequence[str]) -> str:
        """How many statements ran in a second."""
        return f"{self.statements(by)} / {self.over_s}"

    def errors(self, by: Sequence[str]) -> str:
        """How many statements failed."""
        return self._growth(DATABASE_ERRORS, "", by)

    def slow(self, by: Sequence[str]) -> str:
        """How many statements were slow."""
        return self._growth(DATABASE_SLOW_QUERIES, "", by)

    def n_plus_one(self, by: Sequence[str]) -> str:
        """How many N+1 patterns were found."""
        return self._growth(DATABASE_N_PLUS_ONE, "", by)

    def pattern_calls(self) -> str:
        """How often each of the costliest patterns ran."""
        return self._growth(DATABASE_QUERY_PATTERN_CALLS, "", PATTERN)

    def pattern_seconds(self) -> str:
        """How long each of them took in all, in seconds."""
        return self._growth(DATABASE_QUERY_PATTERN_DURATION, "", PATTERN)

    def pool_peak(self) -> str:
        """The largest share of its connections that any process's pool had in use at a scrape."""
        active, limit = self._over_time("max", DATABASE_CONNECTIONS_ACTIVE), self._limit()
        return f"max by ({', '.join(POOL)}) ({active} / ({limit} > 0))"

    def pool_active(self) -> str:
        """The most connections that any process's pool had in use at a scrape."""
        return f"max by ({', '.join(POOL)}) ({self._over_time('max', DATABASE_CONNECTIONS_ACTIVE)})"

    def pool_left(self) -> str:
        """The fewest connections that any process's pool could still hand out at its fullest."""
        active, limit = self._over_time("max", DATABASE_CONNECTIONS_ACTIVE), self._limit()
        return f"min by ({', '.join(POOL)}) (({limit} > 0) - {active})"

    def pool_limit(self) -> str:
        """The most connections that the pool of one process may open."""
        return f"max by ({', '.join(POOL)}) ({self._limit()})"

    def pool_wait(self) -> str:
        """How long all but the slowest requests for a connection waited at most, in seconds."""
        return self._quantile(DATABASE_CONNECTION_WAIT_TIME, POOL)

    def pool_timeouts(self) -> str:
        """How many requests got no connection in time."""
        return self._growth(DATABASE_CONNECTION_TIMEOUTS, "", POOL)

    def suggestions(self) -> str:
        """How many indexes the advisor suggested last."""
        return f"max by ({', '.join(TABLE)}) ({self._over_time('last', DATABASE_INDEX_SUGGESTIONS)})"

    def _limit(self) -> str:
        return self._over_time("max", DATABASE_CONNECTIONS_MAX)

    def _growth(self, metric: Metric, part: str, by: Sequence[str]) -> str:
        return f"sum by ({', '.join(by)}) (increase({self._select(metric, part)}[{duration(self.over_s)}]))"

    def _quantile(self, metric: Metric, by: Sequence[str]) -> str:
        return f"histogram_quantile({QUANTILE}, {self._growth(metric, '_bucket', ('le', *by))})"

    def _over_time(self, function: str, metric: Metric) -> str:
        return f"{function}_over_time({self._select(metric)}[{duration(self.over_s)}])"

    def _select(self, metric: Metric, part: str = "") -> str:
        if not self.services:
            return f"{metric.prometheus_name}{part}"
        if len(self.services) == 1:
            matcher = f"={quoted(self.services[0])}"
        else:
            matcher = "=~" + quoted("|".join(map(literal, self.services)))
        return f"{metric.prometheus_name}{part}{{{LABEL_SERVICE}{matcher}}}"
