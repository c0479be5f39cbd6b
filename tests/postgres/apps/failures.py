"""An application that fails in every way of ``errors.yaml``, on the database at ``DATABASE_URL``, through SQLAlchemy.

Says on standard output, case by case, with what exceptions; and then waits for the end of its standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

URL = make_url(os.environ["DATABASE_URL"])
CASES = yaml.safe_load((Path(__file__).parents[1] / "errors.yaml").read_text())[URL.get_backend_name()]
TABLE = (
    "DROP TABLE IF EXISTS e_rows",
    "CREATE TABLE e_rows (id INTEGER PRIMARY KEY, email VARCHAR(300) UNIQUE, amount INTEGER CHECK (amount >= 0))",
    "INSERT INTO e_rows (id, email, amount) VALUES (1, 'one', 0), (2, 'two', 0)",
)


class Sync:
    """Connections of a synchronous driver."""

    def __init__(self) -> None:
        arguments = {"timeout": 0.1} if URL.get_backend_name() == "sqlite" else {}
        self._engine = create_engine(URL, poolclass=NullPool, connect_args=arguments)

    def connect(self) -> Any:
        """A new connection."""
        return self._engine.connect()

    def run(self, connection: Any, statement: str) -> None:
        """Run one statement."""
        connection.exec_driver_sql(statement).close()

    def together(self, *calls: Callable[[], None]) -> None:
        """Make the calls at once; raises what one of them raises."""
        with ThreadPoolExecutor() as executor:
            for future in [executor.submit(call) for call in calls]:
                future.result()

    def close(self, connection: Any) -> None:
        """Roll back and close."""
        connection.close()


class Async:
    """The same for an asynchronous driver, on a loop of its own."""

    def __init__(self) -> None:
        self._engine = create_async_engine(URL, poolclass=NullPool)
        self._loop = asyncio.new_event_loop()

    def connect(self) -> Any:
        """Likewise."""
        return self._loop.run_until_complete(self._engine.connect())

    def run(self, connection: Any, statement: str) -> Any:
        """Likewise; while the loop runs, what is to be awaited."""
        awaitable = connection.exec_driver_sql(statement)
        return awaitable if self._loop.is_running() else self._loop.run_until_complete(awaitable)

    def together(self, *calls: Callable[[], Any]) -> None:
        """Likewise."""

        async def gather() -> None:
            outcomes = await asyncio.gather(*(call() for call in calls), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, Exception):
                    raise outcome

        self._loop.run_until_complete(gather())

    def close(self, connection: Any) -> None:
        """Likewise."""
        self._loop.run_until_complete(connection.close())


def fail(driver: Any, case: dict[str, Any]) -> str:
    """Go through the steps of one case, and say what they failed with."""
    preparing = driver.connect()
    for statement in TABLE:
        driver.run(preparing, statement)
    driver.run(preparing, "COMMIT")
    driver.close(preparing)
    connections = driver.connect(), driver.connect()
    try:
        for step in case["steps"]:
            second = step.startswith("2: ")
            driver.run(connections[second], step.removeprefix("2: "))
        statements = case.get("together", ())
        pairs = zip(connections, statements)  # noqa: B905 - there are two or none
        driver.together(*(lambda pair=pair: driver.run(*pair) for pair in pairs))
    except DBAPIError as error:
        return type(error).__name__
    finally:
        for connection in connections:
            driver.close(connection)
    return ""


def main() -> None:
    """Fail in every way."""
    driver = Async() if URL.get_driver_name() == "asyncpg" else Sync()
    print(json.dumps([fail(driver, case) for case in CASES]), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
