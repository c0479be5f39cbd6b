"""A service that does what it is told, a line of JSON each; it knows nothing of monitoring.

A line is ``{"client": .., "sql": .., "params": ..}``, or names something else to do. The answer is a line of JSON, too.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

from opentelemetry import trace

URL = os.environ["DATABASE_URL"]
_connections: dict[str, Any] = {}


def sqlalchemy_connection(engine: str = "") -> Any:
    """A connection of an engine whose pool has one."""
    from sqlalchemy import create_engine

    url = URL.replace("postgresql://", f"postgresql+{engine}://") if engine else URL
    if url == "sqlite://" or "memory" in url:
        return create_engine(url).connect()
    return create_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.2).connect()


def connection_of(client: str) -> Any:
    """The connection that a client goes on with."""
    if client not in _connections:
        if client.startswith("sqlalchemy"):
            _connections[client] = sqlalchemy_connection(client.partition("+")[2])
        elif client == "psycopg":
            import psycopg

            _connections[client] = psycopg.connect(URL, autocommit=True)
        else:
            import psycopg2

            _connections[client] = psycopg2.connect(URL)
            _connections[client].autocommit = True
    return _connections[client]


def execute(client: str, sql: str, params: Any) -> None:
    """Send one statement, in a request of its own."""
    connection = connection_of(client)
    params = tuple(params) if params else None
    with trace.get_tracer("app").start_as_current_span("GET /page"):
        if client.startswith("sqlalchemy"):
            result = connection.exec_driver_sql(sql, params) if params else connection.exec_driver_sql(sql)
            if result.returns_rows:
                result.fetchall()
        else:
            with connection.cursor() as cursor:
                cursor.execute(sql, params)


def asynchronous(client: str, sql: str) -> None:
    """Send one statement through an asynchronous driver, or an engine upon it."""
    import asyncio

    async def send_by_driver() -> None:
        import asyncpg

        connection = await asyncpg.connect(URL)
        for _ in range(2):
            await connection.fetch(sql)
            await asyncio.sleep(1.2)
        await connection.close()

    async def send() -> None:
        from sqlalchemy import text
        from sqlalchemy.ext.asyncio import create_async_engine

        engine = create_async_engine(URL.replace("postgresql://", f"postgresql+{client}://"))
        async with engine.connect() as connection:
            for _ in range(2):
                await connection.execute(text(sql))
                await asyncio.sleep(1.2)
        await engine.dispose()

    asyncio.run(send_by_driver() if client == "asyncpg alone" else send())


def is_exhausted(client: str) -> bool:
    """Whether the pool gives nobody a connection."""
    from sqlalchemy.exc import TimeoutError as PoolTimeoutError

    try:
        connection_of(client).engine.connect()
    except PoolTimeoutError:
        return True
    return False


def forked(command: dict[str, Any]) -> str:
    """Do it in a child, with connections of its own, and wait for its end."""
    child = os.fork()
    if child == 0:
        _connections.clear()
        for _ in range(2):
            execute(command["client"], command["sql"], command.get("params"))
            time.sleep(1.2)
        sys.exit()
    return str(os.waitpid(child, 0)[1])


def obey(command: dict[str, Any]) -> Any:
    """Do one thing."""
    if "forked" in command:
        return forked(command["forked"])
    if "asynchronous" in command:
        return asynchronous(command["asynchronous"], command["sql"])
    if "exhausted" in command:
        return is_exhausted(command["exhausted"])
    if "threads" in command:
        return [thread.name for thread in threading.enumerate()]
    if "modules" in command:
        return [name for name in sys.modules if name.startswith(command["modules"])]
    started = time.monotonic()
    for _ in range(command.get("times", 1)):
        execute(command["client"], command["sql"], command.get("params"))
    return time.monotonic() - started


def main() -> None:
    """Obey until there are no more commands."""
    for line in sys.stdin:
        try:
            answer = obey(json.loads(line))
        except Exception as error:
            answer = type(error).__name__
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
