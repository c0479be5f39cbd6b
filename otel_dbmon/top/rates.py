"""Two states of counters come in, what happened between them goes out; from rates, a reading is put together."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from otel_dbmon.querying.quantile import quantile
from otel_dbmon.top.reading import Found, Pool, Query, Reading, Totals

#: Names a counter: what it counts (one of the words below), then whose it is.
Key = tuple[str, ...]
#: Of one pattern: service, fingerprint, summary; of buckets, their bound as well.
CALLS, SECONDS, FAILED, BUCKET = "calls", "seconds", "failed", "bucket"
#: Of all patterns, also those that are not told of one by one: service.
TOTAL_CALLS, TOTAL_SECONDS = "total_calls", "total_seconds"
#: Of all patterns with one summary: service, summary; of buckets, their bound as well.
SUMMARY_CALLS, SUMMARY_SECONDS, SUMMARY_FAILED, SUMMARY_BUCKET = (
    "summary_calls", "summary_seconds", "summary_failed", "summary_bucket",
)  # fmt: skip
#: Of all statements: nothing; of buckets, their bound; of errors, their type.
ALL_SECONDS, ALL_BUCKET, ERRORS, SLOW, N_PLUS_ONE = "all_seconds", "all_bucket", "errors", "slow", "n_plus_one"
#: Of a pool: service, database, pool.
TIMEOUTS, ACTIVE, IDLE, MOST, PENDING = "timeouts", "active", "idle", "most", "pending"
_POOL = (ACTIVE, IDLE, MOST, PENDING, TIMEOUTS)
OTHERS = "(all others)"
#: What is lost where floats are added up, as a share of the sum.
_ROUNDING = 1e-9


class Counters(NamedTuple):
    """The counters of one process at one moment.

    Attributes:
        at: When they were read, in seconds of a clock that is never set.
        values: Each counter, by its key and by which life it is in: a counter that began anew is another one.
    """

    at: float
    values: Mapping[tuple[Key, str], float]


def increases(before: Counters, after: Counters) -> dict[Key, float]:
    """By how much each counter grew. One that is lower than before, or new, began at zero in between."""
    grown: dict[Key, float] = defaultdict(float)
    for (key, life), value in after.values.items():
        earlier = before.values.get((key, life), 0.0)
        grown[key] += value - earlier if value >= earlier else value
    return dict(grown)


def summed(parts: Iterable[Mapping[Key, float]]) -> dict[Key, float]:
    """The same counters of several processes as one."""
    total: dict[Key, float] = defaultdict(float)
    for part in parts:
        for key, value in part.items():
            total[key] += value
    return dict(total)


def reading(
    at: float,
    period: float,
    rates: Mapping[Key, float],
    gauges: Mapping[Key, float] = {},
    found: Iterable[Found] = (),
    notes: Iterable[str] = (),
) -> Reading:
    """What rates say.

    Args:
        at: When, in seconds since 1970.
        period: Over how many seconds they are.
        rates: Of all counters, per second; those of all processes together.
        gauges: Of all pools.
        found: Findings, newest first.
        notes: What else a person should know.
    """
    groups: dict[str, dict[Key, float]] = defaultdict(dict)
    for key, value in (*rates.items(), *gauges.items()):
        groups[key[0]][key[1:]] = value
    return Reading(at, period, tuple(_queries(groups)), _totals(groups), _pools(groups), tuple(found), tuple(notes))


_Groups = Mapping[str, Mapping[Key, float]]


def _by_bound(buckets: Mapping[Key, float]) -> dict[Key, dict[float, float]]:
    """Histograms by whose they are."""
    histograms: dict[Key, dict[float, float]] = defaultdict(dict)
    for (*whose, bound), count in buckets.items():
        histograms[tuple(whose)][float(bound)] = count
    return histograms


def _queries(groups: _Groups) -> Iterable[Query]:
    own, shared = _by_bound(groups.get(BUCKET, {})), _by_bound(groups.get(SUMMARY_BUCKET, {}))
    failed, shared_failed = groups.get(FAILED, {}), groups.get(SUMMARY_FAILED, {})
    seconds = groups.get(SECONDS, {})
    if CALLS not in groups:
        # Patterns are not counted: OTEL_DBMON_METRIC_FAMILIES=client, or OTEL_DBMON_TOP_QUERIES=0.
        seconds = groups.get(SUMMARY_SECONDS, {})
        for (service, summary), calls in groups.get(SUMMARY_CALLS, {}).items():
            whose = (service, summary)
            p50, p95, finest = _percentiles(shared.get(whose, {}))
            errors = shared_failed.get(whose, 0.0)
            time = seconds.get(whose, 0.0)
            yield Query(service, "", summary or OTHERS, calls, time, errors, p50, p95, True, finest)
        return
    yield from _others(groups)
    for key, calls in groups[CALLS].items():
        service, fingerprint, summary = key
        is_own = key in own
        p50, p95, finest = _percentiles(own[key] if is_own else shared.get((service, summary), {}))
        errors = failed.get(key, 0.0) if is_own else shared_failed.get((service, summary), math.nan)
        if not fingerprint:
            summary, p50, p95, errors = OTHERS, math.nan, math.nan, math.nan
        time = max(seconds.get(key, 0.0), 0.0)
        yield Query(service, fingerprint, summary, calls, time, errors, p50, p95, not is_own, finest)


def _others(groups: _Groups) -> Iterable[Query]:
    """What is left of all patterns where each known one is told of."""
    for (service,), total in groups.get(TOTAL_CALLS, {}).items():
        calls = total - sum(value for key, value in groups[CALLS].items() if key[0] == service)
        seconds = groups.get(TOTAL_SECONDS, {}).get((service,), 0.0)
        seconds -= sum(value for key, value in groups.get(SECONDS, {}).items() if key[0] == service)
        if calls > _ROUNDING * total:
            yield Query(service, "", OTHERS, calls, max(seconds, 0.0), math.nan, math.nan, math.nan)


def _percentiles(histogram: Mapping[float, float]) -> tuple[float, float, float]:
    """p50, p95 and the lowest bound."""
    return quantile(0.5, histogram), quantile(0.95, histogram), min(histogram, default=0.0)


def _totals(groups: _Groups) -> Totals:
    histogram = _by_bound(groups.get(ALL_BUCKET, {})).get((), {})
    p50, p95, finest = _percentiles(histogram)
    return Totals(
        histogram.get(math.inf, 0.0),
        sum(groups.get(ALL_SECONDS, {}).values()),
        p50,
        p95,
        sum(groups.get(SLOW, {}).values()),
        sum(groups.get(N_PLUS_ONE, {}).values()),
        {kind: value for (kind,), value in groups.get(ERRORS, {}).items() if value > 0},
        finest,
    )


def _pools(groups: _Groups) -> tuple[Pool, ...]:
    known = sorted({whose for what in (ACTIVE, MOST) for whose in groups.get(what, {})})
    return tuple(
        Pool(whose[0], whose[1], whose[2], *(groups.get(what, {}).get(whose, 0.0) for what in _POOL)) for whose in known
    )
