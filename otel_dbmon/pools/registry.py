"""Knows every measured pool for as long as it lives, gives each a distinct name and tells of all at each collection."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from wrapt import register_post_import_hook

from otel_dbmon.fork import run_in_forked_children
from otel_dbmon.pools.meter import Clock, Counts, Figures, Meter, meter_of
from otel_dbmon.pools.target import Target
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.points import Family, HistogramPoint, NumberPoint
from otel_dbmon_semconv import attributes as names
from otel_dbmon_semconv import metrics
from otel_dbmon_semconv.declarations import Metric

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

#: Which figures each metric tells, each with the labels it has besides the pool's.
_Numbers = Mapping[Metric, Mapping[str, Mapping[str, str]]]
#: Which of the histograms each metric tells.
_Histograms = Mapping[Metric, str]
_PLAIN: Mapping[str, str] = {}

_DATABASE_NUMBERS: _Numbers = {
    metrics.DATABASE_CONNECTIONS_ACTIVE: {"active": _PLAIN},
    metrics.DATABASE_CONNECTIONS_IDLE: {"idle": _PLAIN},
    metrics.DATABASE_CONNECTIONS_MAX: {"max": _PLAIN},
    metrics.DATABASE_CONNECTIONS_PENDING: {"pending": _PLAIN},
    metrics.DATABASE_CONNECTION_TIMEOUTS: {"timeouts": _PLAIN},
}
_DATABASE_HISTOGRAMS: _Histograms = {
    metrics.DATABASE_CONNECTION_WAIT_TIME: "wait",
    metrics.DATABASE_CONNECTION_USE_TIME: "use",
}
_CLIENT_NUMBERS: _Numbers = {
    metrics.DB_CLIENT_CONNECTION_COUNT: {
        "active": {names.DB_CLIENT_CONNECTION_STATE: names.ConnectionState.USED},
        "idle": {names.DB_CLIENT_CONNECTION_STATE: names.ConnectionState.IDLE},
    },
    metrics.DB_CLIENT_CONNECTION_MAX: {"max": _PLAIN},
    metrics.DB_CLIENT_CONNECTION_IDLE_MAX: {"idle_max": _PLAIN},
    metrics.DB_CLIENT_CONNECTION_PENDING_REQUESTS: {"pending": _PLAIN},
    metrics.DB_CLIENT_CONNECTION_TIMEOUTS: {"timeouts": _PLAIN},
}
_CLIENT_HISTOGRAMS: _Histograms = {
    metrics.DB_CLIENT_CONNECTION_WAIT_TIME: "wait",
    metrics.DB_CLIENT_CONNECTION_USE_TIME: "use",
    metrics.DB_CLIENT_CONNECTION_CREATE_TIME: "create",
}


class _Seen(NamedTuple):
    """One pool at one collection."""

    meter: Meter
    counts: Counts
    figures: Figures


class Pools:
    """The pools of a process; a source of metrics. Thread safe; never raises into the application.

    Every pool is known by a weak reference: when it ends, so do its series. A forked child starts at zero.

    Args:
        config: Switches of the metric families, bucket boundaries, and how many pools are measured at most.
        guard: Counts our failures, and the pools that were too many.
        enabled: Whether pools are measured (``OTEL_DBMON_POOLS``); if not, none is ever touched.
        clock_ns: Nanoseconds since the epoch.
    """

    def __init__(self, config: Config, guard: Guard, enabled: bool = True, clock_ns: Clock = time.time_ns) -> None:
        self.enabled = enabled
        self._config = config
        self._guard = guard
        self._clock_ns = clock_ns
        self._meters: weakref.WeakValueDictionary[str, Meter] = weakref.WeakValueDictionary()
        self._lock = threading.RLock()
        run_in_forked_children(self.reset)

    def reset(self) -> None:
        """Let every pool count from zero; happens in a forked child by itself."""
        self._lock = threading.RLock()
        # A thread of the parent may have been in the middle of the old one.
        meters = [meter for reference in self._meters.valuerefs() if (meter := reference()) is not None]
        self._meters = weakref.WeakValueDictionary({meter.name: meter for meter in meters})
        for meter in meters:
            meter.renew(seen=meter.counts.seen)

    def add(self, engine: Engine) -> None:
        """Measure a SQLAlchemy engine's pool; again costs next to nothing."""
        if not self.enabled:
            return
        try:
            pool = engine.pool
            if meter_of(pool) is None:
                from otel_dbmon.pools import sqlalchemy

                self._measure(pool, sqlalchemy.target_of(engine), sqlalchemy.SqlalchemyMeter)
        except Exception as error:  # noqa: BLE001 - the application makes its engine
            self._guard.failed("pool", error)

    def await_psycopg_pool(self) -> None:
        """Measure psycopg_pool's pools as soon as the application imports it, or at once if it has."""
        if self.enabled:
            register_post_import_hook(self._psycopg_pool_imported, "psycopg_pool")

    def _psycopg_pool_imported(self, _: object) -> None:
        try:
            from otel_dbmon.pools import psycopg

            psycopg.install(self)
        except Exception as error:  # noqa: BLE001 - the application's import goes on
            self._guard.failed("pool", error)

    def add_psycopg(self, pool: object) -> None:
        """Measure a pool of psycopg_pool; again costs next to nothing."""
        if not self.enabled:
            return
        try:
            if meter_of(pool) is None:
                from otel_dbmon.pools import psycopg

                self._measure(pool, psycopg.target_of(pool), psycopg.PsycopgMeter)
        except Exception as error:  # noqa: BLE001 - the application makes its pool
            self._guard.failed("pool", error)

    def usage(self, namespace: str, address: str = "", port: int = 0) -> float | None:
        """The share of connections in use where a statement was seen: that of the fullest pool that goes there.

        Args:
            namespace: ``db.namespace``, "" if unknown.
            address: ``server.address``, "" if unknown.
            port: ``server.port``, 0 if unknown.

        Returns:
            0.0 (idle) to 1.0 (exhausted); None where no such pool is known, or none has a limit.
        """
        seen = self._seen() if namespace or address else ()
        usages = [each.figures.usage for each in seen if each.meter.target.serves(namespace, address, port)]
        return max((usage for usage in usages if usage is not None), default=None)

    def collect(self) -> Iterator[Family]:
        """All families that are switched on, cumulative since each pool began to count."""
        seen = list(self._seen())
        if self._config.database_metrics:
            yield from self._families(seen, _DATABASE_NUMBERS, _DATABASE_HISTOGRAMS)
        if self._config.client_metrics:
            yield from self._families(seen, _CLIENT_NUMBERS, _CLIENT_HISTOGRAMS)

    def _measure(self, pool: object, target: Target, kind: type[Meter]) -> None:
        with self._lock:
            if meter_of(pool) is not None:
                return
            if len(self._meters) >= self._config.max_series:
                self._guard.drop("pools")
                return
            name = self._distinct(target.pool)
            meter = kind(name, target, self._config.duration_buckets, self._guard, self._clock_ns)
            self._meters[name] = meter
            meter.attach(pool)

    def _distinct(self, name: str) -> str:
        """The name itself or, where another pool has it, the first that is free of ``name#2``, ``name#3`` ..."""
        if name not in self._meters:
            return name
        return next(numbered for number in count(2) if (numbered := f"{name}#{number}") not in self._meters)

    def _seen(self) -> Iterator[_Seen]:
        with self._lock:
            meters = list(self._meters.values())
        for meter in meters:
            try:
                counts, figures = meter.counts, meter.figures()
            except Exception as error:  # noqa: BLE001 - one odd pool must not hide the others
                self._guard.failed("pool", error)
                continue
            if figures is not None:
                yield _Seen(meter, counts, figures)

    def _families(self, seen: list[_Seen], numbers: _Numbers, histograms: _Histograms) -> Iterator[Family]:
        for metric, figures in numbers.items():
            yield Family(metric, list(_number_points(seen, metric, figures)))
        for metric, histogram in histograms.items():
            yield Family(metric, list(_histogram_points(seen, metric, histogram)), self._config.duration_buckets)


def _number_points(
    seen: Iterable[_Seen], metric: Metric, figures: Mapping[str, Mapping[str, str]]
) -> Iterator[NumberPoint]:
    for each in seen:
        for figure, extra in figures.items():
            value: int | None = getattr(each.figures, figure)
            if value is not None:
                # The counts are the stream's identity: they are new where counting begins anew.
                key = (each.counts, figure)
                yield NumberPoint(key, {**_labels(metric, each.meter), **extra}, each.counts.start_ns, value)


def _histogram_points(seen: Iterable[_Seen], metric: Metric, histogram: str) -> Iterator[HistogramPoint]:
    for each in seen:
        with each.counts.lock:
            yield getattr(each.counts, histogram).point(_labels(metric, each.meter))


def _labels(metric: Metric, meter: Meter) -> dict[str, str]:
    known = {
        names.LABEL_DATABASE: meter.target.database,
        names.LABEL_POOL: meter.name,
        names.DB_CLIENT_CONNECTION_POOL_NAME: meter.name,
    }
    return {name: value for name, value in known.items() if name in metric.attributes}
