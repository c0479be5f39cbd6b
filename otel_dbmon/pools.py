"""Takes the SQLAlchemy engines that were seen and answers, at each collection, the connections each pool holds."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from otel_dbmon_processors.config import Config
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.points import Family, NumberPoint
from otel_dbmon_semconv import attributes as names
from otel_dbmon_semconv import metrics
from otel_dbmon_semconv.declarations import Metric

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


class PoolUsage(NamedTuple):
    """The connections of one pool.

    Attributes:
        database: ``db.namespace``: the URL's database.
        name: ``db.client.connection.pool.name``: the pool's own logging name, else ``address:port/namespace``.
        active: Connections in use.
        idle: Connections open and not in use.
        max: Most connections the pool allows, or None where it has no limit.
    """

    database: str
    name: str
    active: int
    idle: int
    max: int | None


class SqlalchemyPools:
    """Knows every engine by a weak reference, so that an engine's end is the end of its series.

    Args:
        config: Switches of the metric families.
        guard: Counts our failures.
    """

    def __init__(self, config: Config, guard: Guard) -> None:
        self._config = config
        self._guard = guard
        self._start_ns = time.time_ns()
        self._engines: weakref.WeakSet[Engine] = weakref.WeakSet()
        self._lock = threading.Lock()

    def add(self, engine: Engine) -> None:
        """Learn of an engine; again costs nothing much."""
        if engine not in self._engines:
            with self._lock:
                self._engines.add(engine)

    def collect(self) -> Iterable[Family]:
        """The gauges of both families, as far as they are switched on."""
        pools = list(self.usage())
        if self._config.database_metrics:
            yield self._family(metrics.DATABASE_CONNECTIONS_ACTIVE, (_labelled(pool, pool.active) for pool in pools))
            yield self._family(metrics.DATABASE_CONNECTIONS_IDLE, (_labelled(pool, pool.idle) for pool in pools))
            yield self._family(metrics.DATABASE_CONNECTIONS_MAX, (_labelled(pool, pool.max) for pool in pools))
        if self._config.client_metrics:
            counts = (_in_state(pool, *pair) for pool in pools for pair in (("used", pool.active), ("idle", pool.idle)))
            yield self._family(metrics.DB_CLIENT_CONNECTION_COUNT, counts)
            yield self._family(metrics.DB_CLIENT_CONNECTION_MAX, (_named(pool, pool.max) for pool in pools))

    def _family(self, metric: Metric, values: Iterable[tuple[dict[str, str], int | None]]) -> Family:
        points = [
            NumberPoint(tuple(labels.items()), labels, self._start_ns, value)
            for labels, value in values
            if value is not None
        ]
        return Family(metric, points)

    def usage(self) -> Iterator[PoolUsage]:
        """Each pool's connections now; pools that keep no count (NullPool, StaticPool) are left out."""
        with self._lock:
            engines = list(self._engines)
        for engine in engines:
            try:
                usage = _usage_of(engine)
            except Exception as error:  # noqa: BLE001 - one odd pool must not hide the others
                self._guard.failed("pool", error)
                continue
            if usage is not None:
                yield usage


def _labelled(pool: PoolUsage, value: int | None) -> tuple[dict[str, str], int | None]:
    return {names.LABEL_DATABASE: pool.database, names.LABEL_POOL: pool.name}, value


def _named(pool: PoolUsage, value: int | None) -> tuple[dict[str, str], int | None]:
    return {names.DB_CLIENT_CONNECTION_POOL_NAME: pool.name}, value


def _in_state(pool: PoolUsage, state: str, value: int) -> tuple[dict[str, str], int | None]:
    return {names.DB_CLIENT_CONNECTION_POOL_NAME: pool.name, names.DB_CLIENT_CONNECTION_STATE: state}, value


def _usage_of(engine: Engine) -> PoolUsage | None:
    pool = engine.pool
    if not hasattr(pool, "checkedout") or not hasattr(pool, "checkedin"):
        return None
    url = engine.url
    database = url.database or ""
    address = f"{url.host or ''}:{url.port}" if url.port else url.host or ""
    name = pool.logging_name or (f"{address}/{database}" if address else database)
    # QueuePool offers no public way to its overflow limit; -1 there means no limit.
    overflow = getattr(pool, "_max_overflow", -1)
    limit = pool.size() + overflow if overflow >= 0 else None  # type: ignore[attr-defined]
    return PoolUsage(database, name, pool.checkedout(), pool.checkedin(), limit)
