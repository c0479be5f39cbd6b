"""Measures a SQLAlchemy pool from inside: its requests through ``connect()``, its connections through its events.

Two methods of the one instance are replaced, both public: ``connect``, because no event says that somebody waits, and
``recreate``, because that is how ``Engine.dispose()`` gets its next pool; listeners move there by themselves. What is
read without being public is ``_connection_record``, ``starttime`` and ``_max_overflow``; one that is missing some day
costs the figure that needs it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, exc, pool

from otel_dbmon.pools.meter import Counts, Limits, Meter
from otel_dbmon.pools.target import Target
from otel_dbmon_processors.points import NANOSECONDS
from otel_dbmon_semconv.attributes import DB_SYSTEM_NAME_OF

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine
    from sqlalchemy.pool import ConnectionPoolEntry, Pool, PoolProxiedConnection


def target_of(engine: Engine) -> Target:
    """Where an engine's connections go, by its URL."""
    url, system = engine.url, engine.dialect.name
    name = engine.pool.logging_name or ""
    return Target.of(DB_SYSTEM_NAME_OF.get(system, system), url.database, url.host, url.port, name)


class SqlalchemyMeter(Meter):
    """The meter of an engine: it follows from each pool to the one that takes its place."""

    def attach(self, pool: Pool) -> None:
        """Measure an engine's first pool."""
        self._follow(pool)
        # Before the application's own, which may raise.
        event.listen(pool, "connect", self._connected, insert=True)
        event.listen(pool, "checkin", self._checked_in, insert=True)
        event.listen(pool, "detach", self._detached, insert=True)

    def limits(self, pool: Pool, counts: Counts) -> Limits | None:
        """What the pool's class says, and the open connections that nobody has."""
        idle = sum(entry.dbapi_connection is not None and not entry.in_use for entry in counts.kept())
        return Limits(idle, *_most(pool))

    def _follow(self, pool: Pool) -> None:
        super().attach(pool)
        setattr(pool, "connect", self._measured(pool.connect))  # noqa: B010 - mypy takes it for a mistake otherwise
        setattr(pool, "recreate", self._followed(pool.recreate))  # noqa: B010

    def _measured(self, connect: Callable[[], PoolProxiedConnection]) -> Callable[[], PoolProxiedConnection]:
        def measured() -> PoolProxiedConnection:
            counts = self.counts
            since = counts.requested()
            try:
                connection = connect()
            except BaseException as error:
                counts.refused(isinstance(error, exc.TimeoutError))
                raise
            self._granted(counts, since, connection)
            return connection

        return measured

    def _followed(self, recreate: Callable[[], Pool]) -> Callable[[], Pool]:
        def followed() -> Pool:
            successor = recreate()
            try:
                self.renew(seen=False)
                self._follow(successor)
            except Exception as error:  # noqa: BLE001 - the engine must get its pool
                self._guard.failed("pool", error)
            return successor

        return followed

    def _granted(self, counts: Counts, since: int, connection: PoolProxiedConnection) -> None:
        try:
            # Each position of a pool has a dictionary for the likes of us, which lasts as long as the position.
            info: dict[Any, int] = connection.record_info  # type: ignore[assignment]
            lent = info.get(counts)
            # A SingletonThreadPool gives a thread the connection that it has.
            now = counts.granted(since, again=bool(lent))
            if not lent:
                info[counts] = now
            if lent is None and (entry := getattr(connection, "_connection_record", None)) is not None:
                counts.keep(entry)
        except Exception as error:  # noqa: BLE001 - the application waits for its connection
            counts.refused(timed_out=False)
            self._guard.failed("pool", error)

    def _checked_in(self, _: object, entry: ConnectionPoolEntry) -> None:
        since = self._taken_back(entry)
        if since:
            self.counts.returned(since)

    def _detached(self, _: object, entry: ConnectionPoolEntry) -> None:
        if self._taken_back(entry):
            self.counts.gone()

    def _taken_back(self, entry: ConnectionPoolEntry) -> int:
        """Since when the connection had been away; 0 if it had not, or had been lent by a pool before this one."""
        try:
            info: dict[Any, int] = entry.record_info  # type: ignore[assignment]
            since = info.get(self.counts)
            if since:
                info[self.counts] = 0
            return since or 0
        except Exception as error:  # noqa: BLE001 - the pool takes its connection back
            self._guard.failed("pool", error)
            return 0

    def _connected(self, _: object, entry: ConnectionPoolEntry) -> None:
        started: float = getattr(entry, "starttime", 0)
        if started:
            self.counts.created(round((time.time() - started) * NANOSECONDS))


def _most(of: Pool) -> tuple[int | None, int | None]:
    """Most connections and most idle ones that a pool allows, each None without a limit."""
    if isinstance(of, pool.QueuePool):
        size, overflow = of.size(), getattr(of, "_max_overflow", -1)
        return size + overflow if overflow >= 0 else None, size or None
    if isinstance(of, pool.SingletonThreadPool):
        return of.size, of.size
    if isinstance(of, (pool.StaticPool, pool.AssertionPool)):
        return 1, 1
    return None, 0 if isinstance(of, pool.NullPool) else None
