"""Pools on a real server: psycopg_pool's, and SQLAlchemy's under asyncio."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import psycopg_pool
import pytest
from pooling import Watched, samples, wait_until
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, AsyncNullConnectionPool, ConnectionPool, NullConnectionPool
from server import Server
from sqlalchemy import create_engine, exc, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from otel_dbmon.pools import connection_pool_usage
from otel_dbmon.pools.psycopg import install


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """Measured pools; psycopg_pool is as it was afterwards, and the test fails if measuring did."""
    watched = Watched()
    for kind in (ConnectionPool, AsyncConnectionPool):
        for method in ("__init__", "getconn", "putconn", "_connect"):
            monkeypatch.setattr(kind, method, getattr(kind, method))
    install(watched.pools)
    yield watched
    assert not watched.guard.failures


def refused(pool: ConnectionPool) -> None:
    """Ask for a connection that does not come."""
    with pytest.raises(psycopg_pool.PoolTimeout):
        pool.getconn(timeout=0.2)


def test_an_exhausted_pool_shows_it(watched: Watched, server: Server) -> None:
    """All of its connections are active, requests are pending, and those that got none are counted."""
    parts = conninfo_to_dict(server.url)
    labels = {"database": parts["dbname"], "pool": f"{parts['host']}:{parts['port']}/{parts['dbname']}"}
    pool = ConnectionPool(server.url, min_size=1, max_size=2, open=True)
    pool.wait()
    with watched.endpoint() as scrape, ThreadPoolExecutor(3) as threads:
        idle = watched.only()
        with pool.connection(), pool.connection():
            waiting = [threads.submit(refused, pool) for _ in range(3)]
            wait_until(lambda: watched.only()["pending"] == 3)
            during = scrape()
            usage = connection_pool_usage(pool), watched.pools.usage(str(parts["dbname"]), str(parts["host"]))
            for each in waiting:
                each.result()
        after = scrape()
        pool.close()
        closed = scrape()

    assert (idle["active"], idle["idle"], idle["max"], idle["wait_time"]) == (0, 1, 2, 0)
    assert samples(during, "database_connections_active") == [(labels, 2)]
    assert samples(during, "database_connections_max") == [(labels, 2)]
    assert samples(during, "database_connections_pending") == [(labels, 3)]
    assert usage == (1.0, 1.0)
    assert samples(after, "database_connections_active") == [(labels, 0)]
    assert samples(after, "database_connections_idle") == [(labels, 2)]
    assert samples(after, "database_connection_timeouts_total") == [(labels, 3)]
    assert samples(after, "database_connection_wait_time_seconds_count") == [(labels, 2)]
    assert samples(after, "database_connection_use_time_seconds_count") == [(labels, 2)]
    (((_, created),)) = samples(after, "db_client_connection_create_time_seconds_count")
    assert created == 2
    assert labels["pool"] not in closed


def test_an_exhausted_async_pool_shows_it(watched: Watched, server: Server) -> None:
    """Likewise; a request that is cancelled is none that timed out."""

    async def use() -> list[dict[str, int]]:
        async with AsyncConnectionPool(server.url, min_size=2, max_size=2, open=False) as pool:
            await pool.wait()
            first, second = await pool.getconn(), await pool.getconn()
            waiting = [asyncio.create_task(pool.getconn(timeout=timeout)) for timeout in (0.1, 0.1, 60)]
            await asyncio.sleep(0.02)
            told = [watched.only()]
            waiting[2].cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await pool.putconn(first)
            await pool.putconn(second)
            told.append(watched.only())
        return [*told, watched.told()]

    during, after, closed = asyncio.run(use())

    assert (during["active"], during["max"], during["pending"], during["timeouts"]) == (2, 2, 3, 0)
    assert (after["active"], after["idle"], after["pending"], after["timeouts"]) == (0, 2, 0, 2)
    assert (after["wait_time"], after["use_time"]) == (2, 2)
    assert closed == {}


def test_null_pools_keep_nothing(watched: Watched, server: Server) -> None:
    """Without a size there is no limit; with one there is, and nothing is ever idle."""
    with NullConnectionPool(server.url, open=False) as pool, pool.connection(), pool.connection():
        unlimited = watched.only()
        usage = connection_pool_usage(pool)

    async def use() -> dict[str, int]:
        async with AsyncNullConnectionPool(server.url, max_size=2, open=False) as pool, pool.connection():
            return watched.only()

    limited = asyncio.run(use())

    assert (unlimited["active"], unlimited["idle"], unlimited.get("max"), usage) == (2, 0, None, None)
    assert (limited["active"], limited["idle"], limited["max"]) == (1, 0, 2)


def test_a_pool_without_a_server_has_no_active_connections(watched: Watched, server: Server) -> None:
    """psycopg_pool counts connections that it is trying to make; nobody uses these."""
    pool = ConnectionPool("host=127.0.0.1 port=1 dbname=shop", min_size=2, open=True, reconnect_timeout=0.1)
    refused(pool)
    told = watched.told()["127.0.0.1:1/shop"]
    pool.close()

    assert (told["active"], told["idle"], told["pending"], told["timeouts"]) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("conninfo", "arguments", "database", "name"),
    [
        ("host=db port=6432 dbname=shop password=secret", {}, "shop", "db:6432/shop"),
        ("postgresql://u:secret@db:6432/shop", {}, "shop", "db:6432/shop"),
        ("", {"kwargs": {"host": "db", "port": 6432, "dbname": "shop", "autocommit": True}}, "shop", "db:6432/shop"),
        ("dbname=shop", {"name": "orders"}, "shop", "orders"),
        ("", {}, "from-environment", "from-environment"),
        (lambda: "dbname=asked", {}, "postgresql", "postgresql"),
        ("", {"kwargs": {"dbname": "postgresql://u:secret@db/shop"}}, "postgresql", "postgresql"),
    ],
)
def test_names_come_from_the_connection_string(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, conninfo: Any, arguments: Any, database: str, name: str
) -> None:
    """And from libpq's defaults; numbers that psycopg_pool gives are no names, and functions are not called for one."""
    monkeypatch.setenv("PGDATABASE", "from-environment")
    monkeypatch.delenv("PGHOST", raising=False)
    pool = ConnectionPool(conninfo, open=False, **arguments)
    target = pool._otel_dbmon_meter.target  # type: ignore[attr-defined]

    assert (target.database, target.pool) == (database, name)


def test_connections_that_are_closed_by_hand_come_back(watched: Watched, server: Server) -> None:
    """A connection that is closed, broken or returned twice is returned once."""
    with (
        ConnectionPool(server.url, min_size=1, max_size=3, open=False) as pool,
        ConnectionPool(server.url, min_size=0, max_size=1, open=False) as other,
    ):
        closed, broken, wrong = pool.getconn(), pool.getconn(), pool.getconn()
        closed.close()
        pool.putconn(closed)
        with psycopg.connect(server.url, autocommit=True) as killer:
            killer.execute("SELECT pg_terminate_backend(%s)", [broken.info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            broken.execute("SELECT 1")
        pool.putconn(broken)
        with pytest.raises(ValueError, match="pool"):
            other.putconn(wrong)
        name = pool._otel_dbmon_meter.name  # type: ignore[attr-defined]
        between = watched.told()[name]
        pool.putconn(wrong)
        with pytest.raises(ValueError, match="pool"):
            pool.putconn(wrong)
        after = watched.told()[name]

    assert (between["active"], between["use_time"]) == (1, 2)
    assert (after["active"], after["use_time"]) == (0, 3)


def test_a_dropped_pool_vanishes_as_soon_as_without_us(watched: Watched, server: Server) -> None:
    """psycopg_pool stops its workers when the last reference goes; we are none."""
    pool = ConnectionPool(server.url, min_size=1, open=True)
    pool.wait()
    with pool.connection():
        pass
    workers = list(pool._workers)
    alive = weakref.ref(pool)
    gc.disable()
    try:
        del pool
        wait_until(lambda: not any(worker.is_alive() for worker in workers))
        assert alive() is None
    finally:
        gc.enable()

    assert watched.told() == {}


def test_a_pool_from_before_is_seen_when_it_is_used(watched: Watched, server: Server) -> None:
    """A pool may be older than we are."""
    pool = ConnectionPool(server.url, min_size=1, open=True)
    pool.wait()
    del pool._otel_dbmon_meter  # type: ignore[attr-defined]
    gc.collect()
    before = watched.told()
    with pool.connection():
        during = watched.only()
    pool.close()

    assert before == {}
    assert during["active"] == 1


def test_psycopg_pool_is_measured_as_soon_as_it_is_imported(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """It need not be there when the service starts."""
    wrapped = ConnectionPool.getconn
    watched.pools.await_psycopg_pool()

    assert ConnectionPool.getconn is not wrapped
    assert "psycopg_pool" in sys.modules


DRIVERS = pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])


def on(driver: str, server: Server, **arguments: Any) -> AsyncEngine:
    """An asynchronous engine on the server."""
    return create_async_engine(server.url.replace("postgresql://", f"postgresql+{driver}://"), **arguments)


@DRIVERS
def test_an_exhausted_async_engine_shows_it(watched: Watched, server: Server, driver: str) -> None:
    """SQLAlchemy waits in a greenlet; a request that is cancelled meanwhile is none that timed out."""

    async def use() -> list[dict[str, int]]:
        engine = on(driver, server, pool_size=1, max_overflow=1, pool_timeout=0.2)
        watched.pools.add(engine.sync_engine)
        held = [await engine.connect() for _ in range(2)]
        waiting = [asyncio.create_task(connected(engine)) for _ in range(3)]
        await asyncio.sleep(0.05)
        told = [watched.only()]
        assert connection_pool_usage(engine) == 1.0
        waiting[0].cancel()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError, exc.TimeoutError, exc.TimeoutError]
        for connection in held:
            await connection.close()
        told.append(watched.only())
        await engine.dispose()
        return [*told, watched.told()]

    during, after, disposed = asyncio.run(use())

    assert (during["active"], during["max"], during["pending"], during["timeouts"]) == (2, 2, 3, 0)
    assert (after["active"], after["idle"], after["pending"], after["timeouts"]) == (0, 1, 0, 2)
    assert (after["wait_time"], after["use_time"]) == (2, 2)
    assert disposed == {}


async def connected(engine: AsyncEngine) -> None:
    """Have a connection for a moment."""
    async with engine.connect():
        pass


@DRIVERS
def test_twenty_tasks_share_two_connections(watched: Watched, server: Server, driver: str) -> None:
    """Each request is counted once, whatever runs in between."""

    async def work(engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(0.002)"))

    async def use() -> dict[str, int]:
        engine = on(driver, server, pool_size=2, max_overflow=0)
        watched.pools.add(engine.sync_engine)
        await asyncio.gather(*(work(engine) for _ in range(20)))
        told = watched.only()
        await engine.dispose()
        return told

    told = asyncio.run(use())

    assert (told["wait_time"], told["use_time"], told["active"], told["pending"]) == (20, 20, 0, 0)
    assert (told["idle"], told["max"]) == (2, 2)


def test_async_connections_that_are_lost_are_not_active(watched: Watched, server: Server) -> None:
    """The collector cannot return them, so SQLAlchemy takes them out of the pool, and warns of it."""

    async def use() -> dict[str, int]:
        engine = on("asyncpg", server)
        watched.pools.add(engine.sync_engine)
        held = [await engine.raw_connection()]
        assert watched.only()["active"] == 1
        with pytest.warns(exc.SAWarning, match="garbage collector"):
            held.clear()
        told = watched.only()
        await engine.dispose()
        return told

    told = asyncio.run(use())

    assert (told["active"], told["idle"], told["use_time"]) == (0, 0, 0)


def test_a_null_pool_under_asyncio(watched: Watched, server: Server) -> None:
    """What serverless services use: no limit, nothing idle."""

    async def use() -> list[dict[str, int]]:
        engine = on("asyncpg", server, poolclass=NullPool)
        watched.pools.add(engine.sync_engine)
        async with engine.connect(), engine.connect():
            during = watched.only()
        return [during, watched.only()]

    during, after = asyncio.run(use())

    assert (during["active"], during["idle"], during.get("max")) == (2, 0, None)
    assert (after["active"], after["idle"], after["use_time"]) == (0, 0, 2)


def test_killed_connections_are_replaced_before_use(watched: Watched, server: Server) -> None:
    """With ``pool_pre_ping`` a request finds the pool dead, and all of it is opened again as it is needed."""
    engine = create_engine(
        server.url.replace("postgresql://", "postgresql+psycopg://"), pool_pre_ping=True, pool_size=2
    )
    watched.pools.add(engine)
    held = [engine.connect() for _ in range(2)]
    killed = [connection.connection.driver_connection.info.backend_pid for connection in held]  # type: ignore[union-attr]
    for connection in held:
        connection.close()
    with psycopg.connect(server.url, autocommit=True) as killer:
        killer.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", [killed])
    time.sleep(0.05)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        during = watched.only()
    after = watched.only()
    engine.dispose()

    assert (during["active"], during["wait_time"]) == (1, 3)
    assert (after["active"], after["idle"], after["use_time"]) == (0, 2, 3)
