"""An application that puts a person's values wherever values can be, and handles its errors as people do.

``CANARY`` is in each of them: as a bound parameter, pasted into the text, in data that the server quotes back; and the
errors are caught, logged with their traceback, recorded on a span, and at the end not handled at all.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress

import psycopg
from opentelemetry import trace
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

URL = os.environ["DATABASE_URL"]
CANARY = os.environ["CANARY"]
log = logging.getLogger("app")

#: Statements that hold the value, as text and parameters; those after the third fail and quote it back.
STATEMENTS = (
    ("SELECT id FROM people WHERE email = %(email)s", {"email": CANARY}),
    (f"SELECT id FROM people WHERE email = '{CANARY}' -- {CANARY}", {}),
    ("INSERT INTO people (email) VALUES (%(email)s) ON CONFLICT DO NOTHING", {"email": CANARY}),
    ("INSERT INTO people (email) VALUES (%(email)s)", {"email": CANARY}),
    (f"INSERT INTO people (email) VALUES ('{CANARY}')", {}),
    ("SELECT %(email)s::text::integer", {"email": CANARY}),
    (f"SELECT '{CANARY}'::integer", {}),
    (f"SELECT * FROM people WHERE email = '{CANARY}", {}),
    (f"DO $$ BEGIN RAISE EXCEPTION 'no {CANARY}' USING DETAIL = '{CANARY}', HINT = '{CANARY}'; END $$", {}),
)


def through_psycopg(statement: str, parameters: dict[str, str]) -> None:
    """One connection, one statement, one error."""
    with psycopg.connect(URL) as connection:
        connection.execute(statement, parameters or None)


def by_stream(statement: str, parameters: dict[str, str]) -> None:
    """Row by row."""
    with psycopg.connect(URL) as connection:
        list(connection.cursor().stream(statement, parameters or None))


def in_pipeline(statement: str, parameters: dict[str, str]) -> None:
    """With the answer later."""
    with psycopg.connect(URL) as connection, connection.pipeline():
        connection.execute(statement, parameters or None)


def by_copy(statement: str, parameters: dict[str, str]) -> None:
    """The value as data of a COPY, which violates a constraint."""
    with psycopg.connect(URL) as connection, connection.cursor().copy("COPY people (email) FROM STDIN") as copy:
        copy.write_row((CANARY,))


def through_sqlalchemy(statement: str, parameters: dict[str, str]) -> None:
    """The way most services do it."""
    with engine.begin() as connection:
        connection.exec_driver_sql(statement, parameters or None)


def through_asyncpg(statement: str, parameters: dict[str, str]) -> None:
    """An asynchronous driver with messages of its own."""

    async def run() -> None:
        async_engine = create_async_engine(URL.replace("postgresql://", "postgresql+asyncpg://"))
        try:
            async with async_engine.begin() as connection:
                await connection.execute(
                    text(statement.replace("%(email)s", ":email").replace("::", r"\:\:")), parameters
                )
        finally:
            await async_engine.dispose()

    asyncio.run(run())


engine = create_engine(URL.replace("postgresql://", "postgresql+psycopg://"))
WAYS: tuple[Callable[[str, dict[str, str]], None], ...] = (
    through_psycopg,
    by_stream,
    in_pipeline,
    by_copy,
    through_sqlalchemy,
    through_asyncpg,
)


def main() -> None:
    """Every statement in every way, handled in every way."""
    logging.basicConfig(stream=sys.stdout)
    tracer = trace.get_tracer("app")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS people"))
        connection.execute(text("CREATE TABLE people (id serial PRIMARY KEY, email text UNIQUE)"))
    for way in WAYS:
        for statement, parameters in STATEMENTS:
            with suppress(Exception):
                way(statement, parameters)
            try:
                way(statement, parameters)
            except (psycopg.Error, DBAPIError) as error:
                log.exception("could not do it: %s", error)
                log.warning("said %s", str(getattr(error, "orig", error)).splitlines()[0])
                log.warning("detail: %s", getattr(getattr(error, "diag", None), "message_detail", ""))
            with suppress(Exception), tracer.start_as_current_span("request"):
                way(statement, parameters)
    with suppress(Exception):
        psycopg.connect(f"postgresql://{CANARY}:{CANARY}@127.0.0.1:1/x")
    print("ready", flush=True)
    sys.stdin.read()
    with tracer.start_as_current_span("last request"):
        through_sqlalchemy(*STATEMENTS[3])


if __name__ == "__main__":
    main()
