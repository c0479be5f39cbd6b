"""SQLAlchemy's pools: what a scrape says of them while they are used, exhausted, broken, replaced and dropped."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from metering import DELTA, collected
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from pooling import Counted, Watched, engine_on, samples, wait_until
from sqlalchemy import Engine, create_engine, event, exc, text
from sqlalchemy.pool import AssertionPool, NullPool, Pool, QueuePool, SingletonThreadPool, StaticPool

from otel_dbmon.pools import Pools, connection_pool_usage
from otel_dbmon.pools.target import Target
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.guard import Guard
from otel_dbmon_semconv.metrics import DB_CLIENT_CONNECTION_IDLE_MAX


@pytest.fixture
def watched() -> Iterator[Watched]:
    """Measured pools; the test fails if measuring did."""
    watched = Watched()
    yield watched
    assert not watched.guard.failures


@pytest.fixture
def engine(watched: Watched, tmp_path: Path) -> Iterator[Engine]:
    """A measured engine with room for two connections and one more."""
    engine = engine_on(tmp_path, pool_size=2, max_overflow=1, pool_timeout=0.2)
    watched.pools.add(engine)
    yield engine
    engine.dispose()


def refused(engine: Engine) -> None:
    """Ask for a connection that does not come."""
    with pytest.raises(exc.TimeoutError):
        engine.connect()


def test_an_exhausted_pool_shows_it(watched: Watched, engine: Engine, tmp_path: Path) -> None:
    """All of its connections are active, requests are pending, and those that got none are counted."""
    labels = {"database": str(tmp_path / "shop.db"), "pool": str(tmp_path / "shop.db")}
    with watched.endpoint() as scrape, ThreadPoolExecutor(4) as threads:
        held = [engine.connect() for _ in range(3)]
        waiting = [threads.submit(refused, engine) for _ in range(4)]
        wait_until(lambda: watched.only()["pending"] == 4)
        during = scrape()
        usage = connection_pool_usage(engine)
        for each in waiting:
            each.result()
        for connection in held:
            connection.close()
        after = scrape()

    assert samples(during, "database_connections_active") == [(labels, 3)]
    assert samples(during, "database_connections_max") == [(labels, 3)]
    assert samples(during, "database_connections_pending") == [(labels, 4)]
    assert samples(during, "database_connection_timeouts_total") == [(labels, 0)]
    assert usage == 1.0
    assert samples(after, "database_connections_active") == [(labels, 0)]
    assert samples(after, "database_connections_idle") == [(labels, 2)]
    assert samples(after, "database_connections_pending") == [(labels, 0)]
    assert samples(after, "database_connection_timeouts_total") == [(labels, 4)]
    assert samples(after, "database_connection_wait_time_seconds_count") == [(labels, 3)]
    assert samples(after, "database_connection_use_time_seconds_count") == [(labels, 3)]
    assert connection_pool_usage(engine) == 0.0


def test_the_conventions_names_tell_the_same(watched: Watched, engine: Engine, tmp_path: Path) -> None:
    """The other family has the same figures, and how long it took to open connections."""
    pool = {"db_client_connection_pool_name": str(tmp_path / "shop.db")}
    with watched.endpoint() as scrape:
        held = [engine.connect() for _ in range(3)]
        refused(engine)
        held.pop().close()
        told = scrape()
        held.clear()

    assert samples(told, "db_client_connection_count") == [
        ({**pool, "db_client_connection_state": "used"}, 2),
        ({**pool, "db_client_connection_state": "idle"}, 1),
    ]
    for name, value in {
        "db_client_connection_max": 3,
        "db_client_connection_idle_max": 2,
        "db_client_connection_pending_requests": 0,
        "db_client_connection_timeouts_total": 1,
        "db_client_connection_wait_time_seconds_count": 3,
        "db_client_connection_use_time_seconds_count": 1,
        "db_client_connection_create_time_seconds_count": 3,
    }.items():
        assert samples(told, name) == [(pool, value)]


@pytest.mark.parametrize(
    ("pool", "arguments", "used", "unused", "limits"),
    [
        (QueuePool, {"pool_size": 2, "max_overflow": 3}, (2, 0), (0, 2), (5, 2)),
        (QueuePool, {"pool_size": 1, "max_overflow": 3}, (2, 0), (0, 1), (4, 1)),
        (QueuePool, {"pool_size": 2, "max_overflow": -1}, (2, 0), (0, 2), (None, 2)),
        (QueuePool, {"pool_size": 0}, (2, 0), (0, 2), (None, None)),
        (NullPool, {}, (2, 0), (0, 0), (None, 0)),
        (SingletonThreadPool, {"pool_size": 4}, (1, 0), (0, 1), (4, 4)),
        (StaticPool, {}, (1, 0), (0, 1), (1, 1)),
    ],
)
def test_each_kind_of_pool_counts_in_its_way(
    watched: Watched,
    tmp_path: Path,
    pool: type[Pool],
    arguments: dict[str, int],
    used: tuple[int, int],
    unused: tuple[int, int],
    limits: tuple[int | None, int | None],
) -> None:
    """Two requests of one thread: (active, idle) with and after them, and (max, idle.max)."""
    engine = engine_on(tmp_path, poolclass=pool, **arguments)
    watched.pools.add(engine)
    first, second = engine.raw_connection(), engine.raw_connection()
    during = watched.only()
    usage = connection_pool_usage(engine)
    second.close()
    if pool is not StaticPool:
        # The two share one connection, which is back with the first return; SQLAlchemy warns of the second.
        first.close()
    after = watched.only()

    assert (during["active"], during["idle"]) == used
    assert (after["active"], after["idle"]) == unused
    assert during.get("max") == limits[0]
    assert usage == (used[0] / limits[0] if limits[0] else None)
    idle_max = [family.points for family in watched.pools.collect() if family.metric is DB_CLIENT_CONNECTION_IDLE_MAX]
    assert [point.value for points in idle_max for point in points] == [most for most in limits[1:] if most is not None]
    engine.dispose()


def test_an_assertion_pool_refuses_without_a_time_out(watched: Watched, tmp_path: Path) -> None:
    """A second request is a mistake of the application, and nothing that took too long."""
    engine = engine_on(tmp_path, poolclass=AssertionPool)
    watched.pools.add(engine)
    with engine.connect():
        with pytest.raises(AssertionError):
            engine.connect()
        during = watched.only()

    assert (during["active"], during["max"], during["pending"], during["timeouts"]) == (1, 1, 0, 0)


def test_durations_are_those_of_the_clock(watched: Watched, tmp_path: Path) -> None:
    """Waiting, using and opening a connection are told in seconds, each by itself."""

    def connect() -> Any:
        time.sleep(0.02)
        return Counted(tmp_path / "slow.db")

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)
    watched.pools.add(engine)
    with watched.endpoint() as scrape:
        with engine.connect():
            time.sleep(0.05)
        told = scrape()
    ((_, wait),) = samples(told, "database_connection_wait_time_seconds_sum")
    ((_, use),) = samples(told, "database_connection_use_time_seconds_sum")
    ((_, create),) = samples(told, "db_client_connection_create_time_seconds_sum")

    assert 0.02 <= wait < 2
    assert 0.05 <= use < 2
    assert 0.015 <= create < 2
    engine.dispose()


def test_pools_of_one_url_are_told_apart(watched: Watched, tmp_path: Path) -> None:
    """Each has a name of its own for life; the name of one that is gone is free for the next."""
    engines = [engine_on(tmp_path) for _ in range(3)]
    for engine in engines:
        watched.pools.add(engine)
    name = str(tmp_path / "shop.db")
    engines[1].connect().close()
    before = {pool: told["wait_time"] for pool, told in watched.told().items()}
    del engines[0], engine
    gc.collect()
    between = set(watched.told())
    engines.append(engine_on(tmp_path))
    watched.pools.add(engines[-1])

    assert before == {name: 0, f"{name}#2": 1, f"{name}#3": 0}
    assert between == {f"{name}#2", f"{name}#3"}
    assert set(watched.told()) == {name, f"{name}#2", f"{name}#3"}


@pytest.mark.parametrize(
    ("url", "arguments", "database", "pool"),
    [
        ("postgresql+psycopg://u:secret@db:5432/shop", {}, "shop", "db:5432/shop"),
        ("postgresql+psycopg://u:secret@db/shop", {}, "shop", "db/shop"),
        ("postgresql+psycopg://u:secret@[::1]:5432/shop", {}, "shop", "::1:5432/shop"),
        ("postgresql+psycopg://db", {}, "postgresql", "db"),
        ("postgresql+psycopg://", {}, "postgresql", "postgresql"),
        ("postgresql+psycopg://db/shop", {"pool_logging_name": "orders"}, "shop", "orders"),
        # A password that was not escaped, which SQLAlchemy takes for host and database.
        ("postgresql+psycopg://u:sec@ret@db/shop", {}, "postgresql", "postgresql"),
        ("postgresql+psycopg://u:sec@ret/word@db/shop", {}, "postgresql", "postgresql"),
        ("sqlite://", {}, "sqlite", "sqlite"),
        ("sqlite:////home/me@here/shop.db", {}, "/home/me@here/shop.db", "/home/me@here/shop.db"),
        ("sqlite:///:memory:", {}, ":memory:", ":memory:"),
    ],
)
def test_names_come_from_the_url(watched: Watched, url: str, arguments: Any, database: str, pool: str) -> None:
    """The conventions' ``address:port/namespace``, the product where the database is unknown, never a password."""
    engine = create_engine(url, **arguments)
    watched.pools.add(engine)
    points = [point for family in watched.pools.collect() for point in family.points if "pool" in point.attributes]

    assert {(point.attributes["database"], point.attributes["pool"]) for point in points} == {(database, pool)}


def test_options_make_no_other_pool(watched: Watched, engine: Engine) -> None:
    """``execution_options()`` gives another engine on the same pool."""
    other = engine.execution_options(isolation_level="AUTOCOMMIT")
    watched.pools.add(other)
    with other.connect(), engine.connect():
        during = watched.only()
    other.dispose()
    with engine.connect():
        after = watched.only()

    assert during["active"] == 2
    assert (after["active"], after["wait_time"]) == (1, 1)


def test_a_disposed_engine_vanishes_until_it_is_used_again(watched: Watched, engine: Engine) -> None:
    """Then it counts from zero; what the old pool gives back late is none of the new one's."""
    old = engine.connect()
    engine.connect().close()
    engine.dispose()
    gone = watched.told()
    with engine.connect():
        again = watched.only()
    old.close()
    after = watched.only()

    assert gone == {}
    assert (again["active"], again["idle"], again["wait_time"], again["use_time"]) == (1, 0, 1, 0)
    assert (after["active"], after["idle"], after["use_time"]) == (0, 1, 1)


def test_who_waits_while_the_engine_is_disposed_of_disturbs_nobody(watched: Watched, engine: Engine) -> None:
    """A request ends where it began: with the old pool, which has room again for it."""
    held = [engine.connect() for _ in range(3)]
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(engine.connect)
        wait_until(lambda: watched.only()["pending"] == 1)
        engine.dispose()
        engine.connect().close()
        during = watched.only()
        held.append(waiting.result())
    after = watched.only()
    for connection in held:
        connection.close()

    assert (during["pending"], during["active"], during["wait_time"]) == (0, 0, 1)
    assert (after["pending"], after["active"], after["wait_time"]) == (0, 0, 1)
    assert (watched.only()["active"], watched.only()["use_time"]) == (0, 1)


def test_a_pool_that_is_replaced_by_hand_is_followed(watched: Watched, engine: Engine) -> None:
    """``pool.recreate()`` is how every replacement is made, also without ``Engine.dispose()``."""
    engine.connect().close()
    engine.pool = engine.pool.recreate()
    with engine.connect():
        during = watched.only()

    assert (during["active"], during["wait_time"]) == (1, 1)


def test_a_dropped_engine_vanishes(watched: Watched, tmp_path: Path) -> None:
    """Nothing of ours keeps it alive."""
    engine = engine_on(tmp_path)
    watched.pools.add(engine)
    engine.connect().close()
    alive = weakref.ref(engine), weakref.ref(engine.pool)
    with watched.endpoint() as scrape:
        before = scrape()
        del engine
        gc.collect()
        after = scrape()

    assert [reference() for reference in alive] == [None, None]
    assert str(tmp_path) in before
    assert str(tmp_path) not in after


@pytest.mark.slow
def test_ten_thousand_engines_leave_nothing_behind(watched: Watched, tmp_path: Path) -> None:
    """Engines that come and go, each used once, cost no memory and get no new names."""
    names = set()

    def churn(engines: int) -> int:
        for _ in range(engines):
            engine = engine_on(tmp_path, poolclass=NullPool)
            watched.pools.add(engine)
            engine.raw_connection().close()
        names.update(watched.told())
        del engine
        gc.collect()
        return len(gc.get_objects())

    churn(200)
    before = churn(200)
    after = churn(9600)

    assert after - before < 200
    assert watched.told() == {}
    assert len(names) < 1000


def test_too_many_pools_are_left_alone(tmp_path: Path) -> None:
    """At the cap a pool is not touched, and that is counted; when another ends there is room again."""
    watched = Watched(Config(max_series=2))
    engines = [engine_on(tmp_path) for _ in range(3)]
    for engine in engines:
        watched.pools.add(engine)
    untouched = engines[2]

    assert len(watched.told()) == 2
    assert "connect" not in vars(untouched.pool)
    assert connection_pool_usage(untouched) is None
    assert watched.guard.dropped == {"pools": 1}
    del engines[:], engine
    gc.collect()
    watched.pools.add(untouched)
    assert len(watched.told()) == 1


def test_switched_off_there_are_no_hooks(tmp_path: Path) -> None:
    """``OTEL_DBMON_POOLS=false``: the pool is as SQLAlchemy made it."""
    engine = engine_on(tmp_path)
    before = (set(vars(engine.pool)), len(list(engine.pool.dispatch.connect)))
    pools = Pools(Config(), Guard(), enabled=False)
    pools.add(engine)

    assert (set(vars(engine.pool)), len(list(engine.pool.dispatch.connect))) == before
    assert not list(engine.pool.dispatch.checkin)
    assert [point for family in pools.collect() for point in family.points] == []


@pytest.mark.parametrize(
    ("end", "active", "idle", "uses"),
    [
        (lambda connection: connection.close(), 0, 1, 1),
        (lambda connection: connection.invalidate(), 0, 0, 1),
        (lambda connection: connection.invalidate(soft=True), 1, 0, 0),
        (lambda connection: connection.detach(), 0, 0, 0),
    ],
    ids=["close", "invalidate", "soft", "detach"],
)
def test_ways_in_which_a_connection_ends(
    watched: Watched, engine: Engine, end: Callable[[Any], None], active: int, idle: int, uses: int
) -> None:
    """Only what is open and in the pool is idle; who detaches a connection has left the pool."""
    connection = engine.raw_connection()
    end(connection)
    told = watched.only()
    del connection

    assert (told["active"], told["idle"], told["use_time"]) == (active, idle, uses)
    with engine.connect():
        assert watched.only()["active"] == 1
    assert watched.only()["active"] == 0


def test_a_connection_that_is_lost_comes_back(watched: Watched, engine: Engine) -> None:
    """The garbage collector returns what nobody closed, and we see that."""
    connection = engine.raw_connection()
    assert watched.only()["active"] == 1
    del connection
    gc.collect()
    told = watched.only()

    assert (told["active"], told["idle"], told["use_time"]) == (0, 1, 1)


def test_a_dead_connection_is_replaced_within_the_wait(watched: Watched, tmp_path: Path) -> None:
    """A ping before use finds it; the request waits for two connections and gets one."""
    engine = engine_on(tmp_path, pool_pre_ping=True)
    watched.pools.add(engine)
    deaths = iter([True])

    @event.listens_for(engine, "checkout")
    def checkout(*_: object) -> None:
        if next(deaths, False):
            raise exc.DisconnectionError

    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        told = watched.only()

    assert (told["active"], told["idle"], told["wait_time"]) == (1, 0, 1)
    assert watched.only()["idle"] == 1


def test_a_refused_connection_is_nobodys(watched: Watched) -> None:
    """Neither active nor pending nor timed out; the application gets its own error."""

    def connect() -> Any:
        raise ConnectionRefusedError("no")

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)
    watched.pools.add(engine)
    with pytest.raises(ConnectionRefusedError):
        engine.raw_connection()
    told = watched.only()

    assert (told["active"], told["idle"], told["pending"], told["timeouts"], told["wait_time"]) == (0, 0, 0, 0, 0)


def test_a_listener_of_the_application_may_raise(watched: Watched, engine: Engine) -> None:
    """The request has failed then, and the connection is nobody's."""

    @event.listens_for(engine, "checkout")
    def checkout(*_: object) -> None:
        raise ValueError("not this one")

    with pytest.raises(ValueError, match="not this one"):
        engine.raw_connection()
    told = watched.only()

    assert (told["active"], told["idle"], told["pending"], told["wait_time"]) == (0, 0, 0, 0)


def test_a_pool_that_gives_out_something_else_is_unharmed(tmp_path: Path) -> None:
    """An application may write its own; what we don't find there is counted as our failure, and nothing is raised."""

    class Bare(NullPool):
        def connect(self) -> Any:
            return Counted(tmp_path / "shop.db")

    watched = Watched()
    engine = engine_on(tmp_path, poolclass=Bare)
    watched.pools.add(engine)
    connection = engine.raw_connection()
    told = watched.only()

    assert connection.execute("SELECT 1").fetchone() == (1,)  # type: ignore[attr-defined]
    assert (told["active"], told["pending"], told["wait_time"]) == (0, 0, 0)
    assert watched.guard.failures == {"pool": 1}


def test_a_pool_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    """It is counted as our failure, and its usage is not known."""

    class Unreadable(QueuePool):
        def size(self) -> int:
            raise RuntimeError("secret")

    watched = Watched()
    odd, plain = engine_on(tmp_path, poolclass=Unreadable), engine_on(tmp_path)
    watched.pools.add(odd)
    watched.pools.add(plain)

    assert set(watched.told()) == {f"{tmp_path / 'shop.db'}#2"}
    assert connection_pool_usage(odd) is None
    assert watched.guard.failures == {"pool": 1}


def test_connections_from_before_are_seen_when_they_are_used(watched: Watched, tmp_path: Path) -> None:
    """An engine may be older than we are."""
    engine = engine_on(tmp_path)
    held = [engine.connect() for _ in range(2)]
    held.pop().close()
    watched.pools.add(engine)
    with engine.connect():
        during = watched.only()
    held.pop().close()

    assert during["active"] == 1
    assert watched.only()["active"] == 0
    assert watched.only()["idle"] == 1


def test_threads_lose_nothing(watched: Watched, tmp_path: Path) -> None:
    """Eight threads share three connections; every request is counted once."""
    engine = engine_on(tmp_path, pool_size=2, max_overflow=1)
    watched.pools.add(engine)
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for _ in range(200):
            engine.raw_connection().close()

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(work) for _ in range(8)]:
            done.result()
    told = watched.only()

    assert (told["wait_time"], told["use_time"], told["active"], told["pending"]) == (1600, 1600, 0, 0)
    assert told["idle"] == engine.pool.checkedin()
    engine.dispose()


def test_a_reader_of_differences_is_told_nothing_twice(tmp_path: Path) -> None:
    """A pool that vanished and came back begins anew for it too."""
    reader = InMemoryMetricReader(preferred_temporality=DELTA)
    watched = Watched(readers=(reader,))
    engine = engine_on(tmp_path)
    watched.pools.add(engine)

    def waits() -> list[int]:
        metric = collected(reader).get("database.connection.wait_time")
        return [point.count for point in metric.data.data_points] if metric is not None else []

    engine.connect().close()
    told = [waits()]
    engine.dispose()
    told.append(waits())
    engine.connect().close()
    engine.connect().close()
    told.append(waits())

    assert told == [[1], [], [2]]
    engine.dispose()


def test_of_several_pools_the_fullest_counts(watched: Watched, tmp_path: Path) -> None:
    """A statement says where it ran, not which pool it had its connection from."""
    engines = [engine_on(tmp_path, pool_size=4, max_overflow=0) for _ in range(2)]
    for engine in engines:
        watched.pools.add(engine)
    with engines[1].connect(), engines[1].connect(), engines[0].connect():
        usage = watched.pools.usage(str(tmp_path / "shop.db"))

    assert usage == 0.5
    assert watched.pools.usage("another") is None
    assert watched.pools.usage("") is None


@pytest.mark.parametrize(
    ("namespace", "address", "port", "serves"),
    [
        ("shop", "db", 5432, True),
        ("shop", "db", 0, True),
        ("shop", "", 0, True),
        ("", "db", 5432, True),
        ("shop", "db", 5433, False),
        ("shop", "other", 5432, False),
        ("users", "db", 5432, False),
    ],
)
def test_a_statement_finds_its_pools(namespace: str, address: str, port: int, serves: bool) -> None:
    """By whatever both sides know of database, address and port."""
    assert Target("postgresql", "shop", "db", 5432).serves(namespace, address, port) == serves


@pytest.mark.parametrize("owner", [None, object(), "engine"])
def test_what_is_no_pool_has_no_usage(owner: object) -> None:
    """Whoever asks about anything else is told that nothing is known."""
    assert connection_pool_usage(owner) is None
