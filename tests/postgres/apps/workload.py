"""An application that knows nothing of monitoring: one client (``CLIENT``) does all it can, each thing on a table.

Says on standard output what it could not do, as a JSON object, and then waits for the end of its standard input.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
from collections.abc import Callable
from typing import Any

#: Module and class of each client; each method is a column of the matrix.
CLIENTS = {
    "core": ("with_sqlalchemy", "Core"),
    "orm": ("with_sqlalchemy", "Orm"),
    "core_pg2": ("with_sqlalchemy", "CorePsycopg2"),
    "aio_psycopg": ("with_sqlalchemy", "AsyncPsycopg"),
    "aio_asyncpg": ("with_sqlalchemy", "AsyncAsyncpg"),
    "core_sqlite": ("with_sqlite", "CoreSqlite"),
    "sqlite3": ("with_sqlite", "Sqlite"),
    "psycopg": ("with_psycopg", "Psycopg"),
    "psycopg_aio": ("with_psycopg", "PsycopgAsync"),
    "pool": ("with_psycopg", "Pool"),
    "pool_aio": ("with_psycopg", "PoolAsync"),
    "psycopg2": ("with_psycopg2", "Psycopg2"),
    "asyncpg": ("with_asyncpg", "Asyncpg"),
}


def main() -> None:
    """Do what ``COLUMNS`` names, in this order."""
    name = os.environ["CLIENT"]
    module, kind = CLIENTS[name]
    columns = os.environ["COLUMNS"].split(",")
    client = getattr(__import__(module), kind)()
    print(json.dumps(asyncio.run(_run(client, name, columns))), flush=True)
    sys.stdin.read()


async def _run(client: Any, name: str, columns: list[str]) -> dict[str, str]:
    trouble = {}
    for column in columns:
        try:
            await _call(getattr(client, column), f"m_{name}_{column}_x")
        except Exception as error:
            trouble[column] = f"{type(error).__name__}: {error}"
    await _call(getattr(client, "close", lambda: None))
    return trouble


async def _call(method: Callable[..., Any], *args: Any) -> None:
    outcome = method(*args)
    if inspect.isawaitable(outcome):
        await outcome


if __name__ == "__main__":
    main()
