"""Turns metrics of the registry into PromQL that follows a dashboard's variables and shows no NaN and no lie."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from boards.series import BUCKET, INSTANCE, JOB
from otel_dbmon.instrumentation.statement import COMMIT, CONNECT
from otel_dbmon_semconv.attributes import LABEL_OPERATION, LABEL_SERVICE
from otel_dbmon_semconv.metrics import DATABASE_ERRORS, DATABASE_QUERY_DURATION

#: Grafana's own: long enough for rate() whatever the zoom and the scrape interval.
RATE: Final = "$__rate_interval"
#: The whole time that is shown, for tables that rank.
RANGE: Final = "$__range"
#: The whole time that is shown, looked at once for each point of a graph.
HISTORY: Final = "$__range:$__interval"


class Named(Protocol):
    """A metric of the registry, or a series of somebody else's."""

    @property
    def prometheus_name(self) -> str: ...
    @property
    def attributes(self) -> tuple[str, ...]: ...


class Scope:
    """What a dashboard's variables narrow.

    Args:
        labels: The labels that have a variable of the same name, beside ``job`` and ``instance``.
    """

    def __init__(self, *labels: str) -> None:
        self.labels = labels

    def select(self, metric: Named, part: str = "", *more: str, like: Named | None = None) -> str:
        """A selector with a matcher for each variable whose label the metric has.

        Args:
            metric: What to select.
            part: A histogram's ``_bucket``, ``_sum`` or ``_count``.
            more: Further matchers.
            like: The other side of a ratio; only what narrows both sides narrows one, or the ratio would be none.
        """
        shared = set(metric.attributes) & set((like or metric).attributes)
        narrowing = (JOB, INSTANCE, *(label for label in self.labels if label in shared))
        matchers = ",".join([*(f'{label}=~"${label}"' for label in narrowing), *more])
        return f"{metric.prometheus_name}{part}{{{matchers}}}"

    def rate(self, metric: Named, part: str = "", *more: str, over: str = RATE, like: Named | None = None) -> str:
        """How fast each series of a counter or a histogram grows, per second."""
        return f"rate({self.select(metric, part, *more, like=like)}[{over}])"

    def growth(self, metric: Named, part: str = "", *more: str, over: str = RANGE, at: str = "") -> str:
        """By how much each series grew, up to each point, or up to the same time for all points."""
        window = f"[{over}] {at}".rstrip()
        return f"increase({self.select(metric, part, *more)}{window})"

    def quantile(self, of: float, metric: Named, *by: str, over: str = RATE) -> str:
        """A quantile of a histogram by these labels; nothing where nothing happened, which would be NaN."""
        return f"histogram_quantile({of}, {total(self.rate(metric, '_bucket', over=over), BUCKET, *by)}) >= 0"

    def error_ratio(self, *by: str) -> str:
        """Errors among everything tried: statements, and the connections and commits that failed without one."""
        steps = f'{LABEL_OPERATION}=~"{CONNECT}|{COMMIT}"'
        tried = f"{self.rate(DATABASE_QUERY_DURATION, '_count')} or {self.rate(DATABASE_ERRORS, '', steps)}"
        return ratio(total(self.rate(DATABASE_ERRORS), *by), total(tried, *by))

    def of_service(self, vector: str) -> str:
        """Give figures of a process the label ``service``, which only our own series of that process have."""
        processes = f"group by (job, instance, service) ({self.select(DATABASE_QUERY_DURATION, '_count')})"
        return f"{vector} * on (job, instance) group_left ({LABEL_SERVICE}) {processes}"


def total(vector: str, *by: str) -> str:
    """The sum by these labels."""
    return _aggregate("sum", vector, by)


def worst(vector: str, *by: str) -> str:
    """The greatest by these labels: a sum would hide one process that is at its end."""
    return _aggregate("max", vector, by)


def number(vector: str, *by: str) -> str:
    """How many there are by these labels."""
    return _aggregate("count", vector, by)


def top(count: int, vector: str) -> str:
    """The greatest of them, and of those only what is more than nothing."""
    return f"topk({count}, {vector} > 0)"


def ratio(part: str, whole: str) -> str:
    """A part of the whole, where there is a whole."""
    return f"{part} / ({whole} > 0)"


def _aggregate(function: str, vector: str, by: Iterable[str]) -> str:
    labels = ", ".join(by)
    return f"{function} by ({labels}) ({vector})" if labels else f"{function}({vector})"
