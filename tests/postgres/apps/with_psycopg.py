"""psycopg's own ways to send a statement: synchronous, through a pool, asynchronous."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import psycopg
from common import ROWS, TASKS, THREADS, URL, crossing, in_threads, meanwhile, refused_url, sleep
from psycopg import sql
from psycopg_pool import AsyncConnectionPool, ConnectionPool


class Psycopg:
    """Connections of its own."""

    @contextmanager
    def connection(self) -> Iterator[Any]:
        with psycopg.connect(URL) as connection:
            yield connection

    def plain(self, table: str) -> None:
        with self.connection() as connection:
            connection.execute(f"SELECT id FROM {table} WHERE name = 'one'").fetchall()
            connection.execute(sql.SQL("SELECT name FROM {} WHERE id = %s").format(sql.Identifier(table)), (1,))
            connection.cursor().execute(f"UPDATE {table} SET name = %s WHERE id = %s".encode(), ("two", 2))

    def executemany(self, table: str) -> None:
        with self.connection() as connection:
            rows = [(f"name{number}", number) for number in range(5)]
            connection.cursor().executemany(f"UPDATE {table} SET name = %s WHERE id = %s", rows)
            connection.cursor().executemany(f"DELETE FROM {table} WHERE id = %s", [])

    def named_cursor(self, table: str) -> None:
        with self.connection() as connection, connection.cursor("reader") as cursor:
            cursor.itersize = 3
            cursor.execute(f"SELECT id FROM {table} WHERE id < %s", (ROWS,))
            assert len(list(cursor)) == ROWS - 1
            cursor.execute(f"SELECT name FROM {table}")
            cursor.fetchmany(2)

    def stream(self, table: str) -> None:
        with self.connection() as connection:
            assert len(list(connection.cursor().stream(f"SELECT id FROM {table} WHERE id > %s", (0,)))) == ROWS

    def copy_in(self, table: str) -> None:
        with self.connection() as connection, connection.cursor().copy(f"COPY {table} (name) FROM STDIN") as copy:
            copy.write_row(("copied",))

    def copy_out(self, table: str) -> None:
        with self.connection() as connection, connection.cursor().copy(f"COPY {table} TO STDOUT") as copy:
            assert len(list(copy.rows())) == ROWS

    def pipeline(self, table: str) -> None:
        with self.connection() as connection, connection.pipeline(), connection.cursor() as cursor:
            for number in range(7):
                connection.execute(f"SELECT name FROM {table} WHERE id = %s", (number,))
            cursor.executemany(f"UPDATE {table} SET name = %s WHERE id = %s", [("x", 1), ("y", 2), ("z", 3)])
            cursor.execute(f"SELECT id FROM {table}")
            assert len(cursor.fetchall()) == ROWS

    def pipeline_error(self, table: str) -> None:
        with self.connection() as connection, suppress(psycopg.errors.DivisionByZero), connection.pipeline():
            connection.execute(f"SELECT name FROM {table}")
            connection.execute(f"SELECT 1 / (id - 1) FROM {table}")
            connection.execute(f"SELECT id FROM {table}", prepare=True)

    def nested(self, table: str) -> None:
        with self.connection() as connection, connection.transaction():
            connection.execute(f"UPDATE {table} SET name = 'outer' WHERE id = 1")
            with suppress(psycopg.errors.UniqueViolation), connection.transaction():
                connection.execute(f"INSERT INTO {table} (id) VALUES (1)")
            connection.execute(f"SELECT name FROM {table}")

    def threads(self, table: str) -> None:
        def run(number: int) -> None:
            with self.connection() as connection:
                for _ in range(5):
                    connection.execute(f"SELECT name FROM {table} WHERE id = %s", (number,))

        in_threads(THREADS, run)

    def cancelled(self, table: str) -> None:
        with self.connection() as connection:
            self._stopped(connection, "pg_cancel_backend", table)

    def _stopped(self, connection: Any, function: str, table: str) -> None:
        with meanwhile(function, table), suppress(psycopg.OperationalError):
            connection.execute(sleep(table))

    def timed_out(self, table: str) -> None:
        with self.connection() as connection:
            connection.execute("SET LOCAL statement_timeout = 50")
            with suppress(psycopg.errors.QueryCanceled):
                connection.execute(sleep(table))

    def refused(self, table: str) -> None:
        with suppress(psycopg.OperationalError):
            psycopg.connect(refused_url(table))

    def deadlock(self, table: str) -> None:
        with self.connection() as first, self.connection() as second:

            def update(caller: int, row: int) -> None:
                (first, second)[caller].execute(f"UPDATE {table} SET name = 'held' WHERE id = %s", (row,))
                if row == 2 - caller:
                    (first, second)[caller].rollback()

            assert crossing(update, (psycopg.errors.DeadlockDetected,)) == ["DeadlockDetected"]
            first.rollback()
            second.rollback()

    def killed(self, table: str) -> None:
        with suppress(psycopg.OperationalError), self.connection() as connection:
            self._stopped(connection, "pg_terminate_backend", table)

    def blank(self, table: str) -> None:
        with self.connection() as connection:
            for statement in ("", "  \n", "-- a comment", "/* another */"):
                connection.execute(statement)


class Pool(Psycopg):
    """Connections from a pool; ``psycopg_pool`` reconnects by itself."""

    def __init__(self) -> None:
        self._pool = ConnectionPool(URL, min_size=1, max_size=THREADS, open=True)

    @contextmanager
    def connection(self) -> Iterator[Any]:
        with self._pool.connection() as connection:
            yield connection

    def refused(self, table: str) -> None:
        pool = ConnectionPool(refused_url(table), min_size=1, open=False, reconnect_timeout=0.1)
        pool.open()
        with suppress(psycopg.OperationalError), pool.connection(timeout=0.2):
            pass
        pool.close()

    def close(self) -> None:
        self._pool.close()


class PsycopgAsync:
    """The same asynchronously."""

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        async with await psycopg.AsyncConnection.connect(URL) as connection:
            yield connection

    async def plain(self, table: str) -> None:
        async with self.connection() as connection:
            await (await connection.execute(f"SELECT id FROM {table} WHERE name = 'one'")).fetchall()
            await connection.execute(sql.SQL("SELECT name FROM {} WHERE id = %s").format(sql.Identifier(table)), (1,))
            await connection.cursor().execute(f"UPDATE {table} SET name = %s WHERE id = %s", ("two", 2))

    async def executemany(self, table: str) -> None:
        async with self.connection() as connection:
            rows = [(f"name{number}", number) for number in range(5)]
            await connection.cursor().executemany(f"UPDATE {table} SET name = %s WHERE id = %s", rows)
            await connection.cursor().executemany(f"DELETE FROM {table} WHERE id = %s", [])

    async def named_cursor(self, table: str) -> None:
        async with self.connection() as connection, connection.cursor("reader") as cursor:
            cursor.itersize = 3
            await cursor.execute(f"SELECT id FROM {table} WHERE id < %s", (ROWS,))
            assert len([row async for row in cursor]) == ROWS - 1

    async def stream(self, table: str) -> None:
        async with self.connection() as connection:
            rows = connection.cursor().stream(f"SELECT id FROM {table} WHERE id > %s", (0,))
            assert len([row async for row in rows]) == ROWS

    async def copy_in(self, table: str) -> None:
        statement = f"COPY {table} (name) FROM STDIN"
        async with self.connection() as connection, connection.cursor().copy(statement) as copy:
            await copy.write_row(("copied",))

    async def copy_out(self, table: str) -> None:
        async with self.connection() as connection, connection.cursor().copy(f"COPY {table} TO STDOUT") as copy:
            assert len([row async for row in copy.rows()]) == ROWS

    async def pipeline(self, table: str) -> None:
        async with self.connection() as connection, connection.pipeline(), connection.cursor() as cursor:
            for number in range(7):
                await connection.execute(f"SELECT name FROM {table} WHERE id = %s", (number,))
            await cursor.executemany(f"UPDATE {table} SET name = %s WHERE id = %s", [("x", 1), ("y", 2), ("z", 3)])
            await cursor.execute(f"SELECT id FROM {table}")
            assert len(await cursor.fetchall()) == ROWS

    async def pipeline_error(self, table: str) -> None:
        async with self.connection() as connection:
            with suppress(psycopg.errors.DivisionByZero):
                async with connection.pipeline():
                    await connection.execute(f"SELECT name FROM {table}")
                    await connection.execute(f"SELECT 1 / (id - 1) FROM {table}")
                    await connection.execute(f"SELECT id FROM {table}", prepare=True)

    async def nested(self, table: str) -> None:
        async with self.connection() as connection, connection.transaction():
            await connection.execute(f"UPDATE {table} SET name = 'outer' WHERE id = 1")
            with suppress(psycopg.errors.UniqueViolation):
                async with connection.transaction():
                    await connection.execute(f"INSERT INTO {table} (id) VALUES (1)")
            await connection.execute(f"SELECT name FROM {table}")

    async def gather(self, table: str) -> None:
        async def run(number: int) -> None:
            async with self.connection() as connection:
                await connection.execute(f"SELECT name FROM {table} WHERE id = %s", (number,))

        await asyncio.gather(*map(run, range(TASKS)))

    async def cancelled(self, table: str) -> None:
        async with self.connection() as connection:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(connection.execute(sleep(table)), 0.1)

    async def timed_out(self, table: str) -> None:
        async with self.connection() as connection:
            await connection.execute("SET LOCAL statement_timeout = 50")
            with suppress(psycopg.errors.QueryCanceled):
                await connection.execute(sleep(table))

    async def refused(self, table: str) -> None:
        with suppress(psycopg.OperationalError):
            await psycopg.AsyncConnection.connect(refused_url(table))

    async def deadlock(self, table: str) -> None:
        statement = f"UPDATE {table} SET name = 'held' WHERE id = %s"
        async with self.connection() as first, self.connection() as second:
            await first.execute(statement, (1,))
            await second.execute(statement, (2,))
            crossed = first.execute(statement, (2,)), second.execute(statement, (1,))
            outcomes = await asyncio.gather(*crossed, return_exceptions=True)
            await first.rollback()
            await second.rollback()
        assert sum(isinstance(outcome, psycopg.errors.DeadlockDetected) for outcome in outcomes) == 1

    async def killed(self, table: str) -> None:
        with suppress(psycopg.OperationalError), meanwhile("pg_terminate_backend", table):
            async with self.connection() as connection:
                await connection.execute(sleep(table))

    async def blank(self, table: str) -> None:
        async with self.connection() as connection:
            for statement in ("", "  \n", "-- a comment", "/* another */"):
                await connection.execute(statement)


class PoolAsync(PsycopgAsync):
    """Connections from an asynchronous pool."""

    _pool: AsyncConnectionPool | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        if self._pool is None:
            self._pool = AsyncConnectionPool(URL, min_size=1, max_size=TASKS, open=False)
            await self._pool.open()
        async with self._pool.connection() as connection:
            yield connection

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
