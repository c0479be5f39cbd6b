"""Measures psycopg_pool's pools, synchronous and not, through the methods by which connections come and go.

Methods of the classes are wrapped, not of the instances: a pool stops its workers when its last reference goes, so
nothing may refer to it from within. ``_connect`` alone is not public; without it there are no create times.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import psycopg_pool
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from otel_dbmon.pools.meter import Counts, Limits, Meter, meter_of
from otel_dbmon.pools.target import Target

if TYPE_CHECKING:
    from otel_dbmon.pools.registry import Pools

#: The attribute of a connection that says which pool's counts it is lent by, and since when.
_LENT = "_otel_dbmon_lent"
#: How psycopg_pool calls a pool that was not given a name; the number grows for as long as the process lives.
_UNNAMED = "pool-"
_SYSTEM = "postgresql"

_NULL_POOLS = (psycopg_pool.NullConnectionPool, psycopg_pool.AsyncNullConnectionPool)

Method = Callable[..., Any]
Pool = Any


def install(pools: Pools) -> None:
    """Wrap psycopg_pool's classes.

    Args:
        pools: Learns of each pool when it is made, or when it is used for the first time.
    """
    for kind, wraps_ in ((psycopg_pool.ConnectionPool, _SYNC), (psycopg_pool.AsyncConnectionPool, _ASYNC)):
        for name, wrap in (("__init__", _made), *wraps_.items()):
            method = getattr(kind, name, None)
            if method is not None:
                setattr(kind, name, wrap(method, pools))


def target_of(pool: Pool) -> Target:
    """Where a pool's connections go, by its connection string and libpq's defaults."""
    known: dict[str, Any] = {}
    # What is to be called for each connection may do anything: it is not called for a name.
    if not callable(pool.conninfo) and not callable(pool.kwargs):
        known = {option.keyword.decode(): (option.val or b"").decode() for option in Conninfo.get_defaults()}
        known.update(conninfo_to_dict(pool.conninfo or "", **(pool.kwargs or {})))
    is_named = not (pool.name.startswith(_UNNAMED) and pool.name[len(_UNNAMED) :].isdecimal())
    return Target.of(_SYSTEM, known.get("dbname"), known.get("host"), known.get("port"), pool.name if is_named else "")


class PsycopgMeter(Meter):
    """The meter of a pool."""

    def limits(self, pool: Pool, counts: Counts) -> Limits | None:
        """What the pool says; None before it is opened and after it is closed."""
        if pool.closed:
            return None
        # A NullConnectionPool has no idle connections; its size 0 means no limit.
        idle_max = 0 if isinstance(pool, _NULL_POOLS) else pool.max_size
        return Limits(pool.get_stats().get("pool_available", 0), pool.max_size or None, idle_max)


def _meter(pool: Pool, pools: Pools) -> Meter | None:
    meter = meter_of(pool)
    if meter is None:
        pools.add_psycopg(pool)
        meter = meter_of(pool)
    return meter


def _made(init: Method, pools: Pools) -> Method:
    @wraps(init)
    def made(pool: Pool, *args: Any, **kwargs: Any) -> None:
        init(pool, *args, **kwargs)
        _meter(pool, pools)

    return made


def _lend(counts: Counts, since: int, connection: Any) -> None:
    setattr(connection, _LENT, (counts, counts.granted(since)))


def _take_back(pool: Pool, connection: Any) -> None:
    # Another pool's connection is about to be refused.
    lent = getattr(connection, _LENT, None)
    if lent is not None and getattr(connection, "_pool", None) is pool:
        setattr(connection, _LENT, None)
        counts, since = lent
        counts.returned(since)


def _getconn(getconn: Method, pools: Pools) -> Method:
    @wraps(getconn)
    def measured(pool: Pool, *args: Any, **kwargs: Any) -> Any:
        meter = _meter(pool, pools)
        if meter is None:
            return getconn(pool, *args, **kwargs)
        counts = meter.counts
        since = counts.requested()
        try:
            connection = getconn(pool, *args, **kwargs)
        except BaseException as error:
            counts.refused(isinstance(error, psycopg_pool.PoolTimeout))
            raise
        _lend(counts, since, connection)
        return connection

    return measured


def _getconn_async(getconn: Method, pools: Pools) -> Method:
    @wraps(getconn)
    async def measured(pool: Pool, *args: Any, **kwargs: Any) -> Any:
        meter = _meter(pool, pools)
        if meter is None:
            return await getconn(pool, *args, **kwargs)
        counts = meter.counts
        since = counts.requested()
        try:
            connection = await getconn(pool, *args, **kwargs)
        except BaseException as error:
            counts.refused(isinstance(error, psycopg_pool.PoolTimeout))
            raise
        _lend(counts, since, connection)
        return connection

    return measured


def _putconn(putconn: Method, _: Pools) -> Method:
    @wraps(putconn)
    def measured(pool: Pool, conn: Any) -> Any:
        _take_back(pool, conn)
        return putconn(pool, conn)

    return measured


def _putconn_async(putconn: Method, _: Pools) -> Method:
    @wraps(putconn)
    async def measured(pool: Pool, conn: Any) -> Any:
        _take_back(pool, conn)
        return await putconn(pool, conn)

    return measured


def _connect(connect: Method, pools: Pools) -> Method:
    @wraps(connect)
    def measured(pool: Pool, *args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter_ns()
        connection = connect(pool, *args, **kwargs)
        _created(pool, pools, started)
        return connection

    return measured


def _connect_async(connect: Method, pools: Pools) -> Method:
    @wraps(connect)
    async def measured(pool: Pool, *args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter_ns()
        connection = await connect(pool, *args, **kwargs)
        _created(pool, pools, started)
        return connection

    return measured


def _created(pool: Pool, pools: Pools, started: int) -> None:
    meter = _meter(pool, pools)
    if meter is not None:
        meter.counts.created(time.perf_counter_ns() - started)


_SYNC = {"getconn": _getconn, "putconn": _putconn, "_connect": _connect}
_ASYNC = {"getconn": _getconn_async, "putconn": _putconn_async, "_connect": _connect_async}
