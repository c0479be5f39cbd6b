"""Asks PostgreSQL through asyncpg, in an event loop of its own that runs only while a question is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import asyncpg

from otel_dbmon.explain.asking import NoPlanError, close_quietly
from otel_dbmon.explain.postgres import APPLICATION, PostgresDoor
from otel_dbmon.explain.sender import Address

#: Seconds, for connecting and for each statement; the server's own time-outs come first.
_TIMEOUT_S = 2.0


def open_door(address: Address, with_conditions: bool = True) -> AsyncpgDoor:
    """Connect as the application did.

    Args:
        address: As whom, and where.
        with_conditions: Whether plans say them.

    Raises:
        NoPlanError: The server cannot be reached, or refuses us.
    """
    parameters = dict(address.parameters)
    settings = {**dict(parameters.pop("server_settings", ())), "application_name": APPLICATION}
    loop = asyncio.new_event_loop()
    try:
        connection = loop.run_until_complete(
            asyncpg.connect(
                **parameters,
                server_settings=settings,
                statement_cache_size=0,
                timeout=_TIMEOUT_S,
                command_timeout=_TIMEOUT_S,
            )
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncio.TimeoutError):
        loop.close()
        raise NoPlanError("unreachable", is_over=True) from None
    return AsyncpgDoor(loop, connection, with_conditions)


class AsyncpgDoor(PostgresDoor):
    """Through asyncpg.

    Args:
        loop: Where the connection lives.
        connection: One of asyncpg's.
        with_conditions: Whether plans say them.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: Any, with_conditions: bool) -> None:
        super().__init__(with_conditions, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncio.TimeoutError)
        self._loop = loop
        self._connection = connection

    def _run(self, call: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(call)

    def execute(self, text: str) -> None:
        """Likewise."""
        self._run(self._connection.execute(text))

    def fetch(self, text: str) -> Any:
        """Likewise."""
        return self._run(self._connection.fetchval(text))

    def is_closed(self) -> bool:
        """Likewise."""
        return bool(self._connection.is_closed())

    def close(self) -> None:
        """Likewise."""
        self._connection.terminate()
        close_quietly(self._loop)
