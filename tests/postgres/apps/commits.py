"""An application whose commits fail: the constraint is deferred, so PostgreSQL looks at it only then.

Says so on standard output, and then waits for the end of its standard input.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress

import asyncpg
import psycopg
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

URL = os.environ["DATABASE_URL"]
STATEMENT = "INSERT INTO c_rows VALUES (4711), (4711)"


def in_turn() -> None:
    """Synchronously: a connection's block, a transaction's block, an engine's."""
    with psycopg.connect(URL, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS c_rows")
        connection.execute("CREATE TABLE c_rows (id integer UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        with suppress(psycopg.IntegrityError), connection.transaction():
            connection.execute(STATEMENT)
    with suppress(psycopg.IntegrityError), psycopg.connect(URL) as connection:
        connection.execute(STATEMENT)
    for driver in ("psycopg", "psycopg2"):
        engine = create_engine(URL.replace("postgresql://", f"postgresql+{driver}://"))
        with suppress(DBAPIError), engine.begin() as connection:
            connection.exec_driver_sql(STATEMENT)


async def on_a_loop() -> None:
    """Asynchronously."""
    connection = await asyncpg.connect(URL)
    with suppress(asyncpg.IntegrityConstraintViolationError):
        async with connection.transaction():
            await connection.execute(STATEMENT)
    await connection.close()
    with suppress(psycopg.IntegrityError):
        async with await psycopg.AsyncConnection.connect(URL) as other:
            await other.execute(STATEMENT)
    for driver in ("psycopg", "asyncpg"):
        engine = create_async_engine(URL.replace("postgresql://", f"postgresql+{driver}://"))
        with suppress(DBAPIError):
            async with engine.begin() as third:
                await third.exec_driver_sql(STATEMENT)
        await engine.dispose()


if __name__ == "__main__":
    in_turn()
    asyncio.run(on_a_loop())
    print("[]", flush=True)
    sys.stdin.read()
