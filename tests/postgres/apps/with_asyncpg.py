"""asyncpg without anything above it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import asyncpg
from common import ROWS, TASKS, URL, meanwhile, sleep


class Asyncpg:
    """Connections of its own."""

    async def plain(self, table: str) -> None:
        connection = await asyncpg.connect(URL)
        await connection.fetch(f"SELECT id FROM {table} WHERE name = 'one'")
        await connection.fetchval(f"SELECT name FROM {table} WHERE id = $1", 1)
        await connection.execute(f"UPDATE {table} SET name = 'two' WHERE id = 2")
        await (await connection.prepare(f"SELECT count(*) FROM {table}")).fetchval()
        await connection.close()

    async def executemany(self, table: str) -> None:
        connection = await asyncpg.connect(URL)
        statement = f"UPDATE {table} SET name = $1 WHERE id = $2"
        rows = [(f"name{number}", number) for number in range(5)]
        await connection.executemany(statement, rows)
        await (await connection.prepare(statement)).executemany(rows)
        if hasattr(connection, "fetchmany"):
            await connection.fetchmany(f"{statement} RETURNING id", rows)
        await connection.executemany(statement, [])
        await connection.close()

    async def named_cursor(self, table: str) -> None:
        connection = await asyncpg.connect(URL)
        async with connection.transaction():
            assert len([row async for row in connection.cursor(f"SELECT id FROM {table}", prefetch=3)]) == ROWS
            cursor = await connection.cursor(f"SELECT name FROM {table}")
            assert len(await cursor.fetch(3) + await cursor.fetch(ROWS)) == ROWS
        await connection.close()

    async def copy_in(self, table: str) -> None:
        connection = await asyncpg.connect(URL)
        await connection.copy_records_to_table(table, records=[("copied",)], columns=["name"])
        await connection.close()

    async def copy_out(self, table: str) -> None:
        async def take(data: bytes) -> None:
            assert data

        connection = await asyncpg.connect(URL)
        await connection.copy_from_table(table, output=take)
        await connection.copy_from_query(f"SELECT id FROM {table}", output=take)
        await connection.close()

    async def nested(self, table: str) -> None:
        connection = await asyncpg.connect(URL)
        async with connection.transaction():
            await connection.execute(f"UPDATE {table} SET name = 'outer' WHERE id = 1")
            with suppress(asyncpg.UniqueViolationError):
                async with connection.transaction():
                    await connection.execute(f"INSERT INTO {table} (id) VALUES (1)")
            await connection.fetch(f"SELECT name FROM {table}")
        await connection.close()

    async def gather(self, table: str) -> None:
        async with asyncpg.create_pool(URL, max_size=TASKS) as pool:
            await asyncio.gather(*(pool.fetch(f"SELECT name FROM {table} WHERE id = $1", n) for n in range(TASKS)))

    async def cancelled(self, table: str) -> None:
        connection = await asyncpg.connect(URL)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(connection.fetch(sleep(table)), 0.1)
        await connection.close()

    async def timed_out(self, table: str) -> None:
        connection = await asyncpg.connect(URL, server_settings={"statement_timeout": "50"})
        with suppress(asyncpg.QueryCanceledError):
            await connection.fetch(sleep(table))
        await connection.close()

    async def refused(self, table: str) -> None:
        with suppress(OSError):
            await asyncpg.connect(host="127.0.0.1", port=1, user="dbmon", database=table)

    async def deadlock(self, table: str) -> None:
        connections = [await asyncpg.connect(URL), await asyncpg.connect(URL)]
        transactions = [connection.transaction() for connection in connections]
        statement = f"UPDATE {table} SET name = 'held' WHERE id = $1"
        for number, connection in enumerate(connections):
            await transactions[number].start()
            await connection.execute(statement, 1 + number)
        crossed = (connection.execute(statement, 2 - number) for number, connection in enumerate(connections))
        outcomes = await asyncio.gather(*crossed, return_exceptions=True)
        assert sum(isinstance(outcome, asyncpg.DeadlockDetectedError) for outcome in outcomes) == 1
        for connection in connections:
            await connection.close()

    async def killed(self, table: str) -> None:
        connection = await asyncpg.connect(URL)
        with meanwhile("pg_terminate_backend", table), suppress(asyncpg.PostgresError, OSError):
            await connection.fetch(sleep(table))

    async def blank(self, table: str) -> None:
        connection = await asyncpg.connect(URL)
        for statement in ("", "  \n", "-- a comment", "/* another */"):
            # asyncpg itself trips over a text of length zero, after the server answered.
            with suppress(AttributeError):
                await connection.execute(statement)
        await connection.close()
