"""SQLAlchemy over each driver: Core, ORM, asynchronous engines."""

from __future__ import annotations

import asyncio
import io
from contextlib import suppress
from typing import Any

from common import MANY, ROWS, TASKS, THREADS, URL, crossing, in_threads, meanwhile, refused_url, sleep
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, create_engine, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.orm import Session, registry


def driver_url(driver: str, url: str = URL) -> str:
    """The same server through this driver."""
    return url.replace("postgresql://", f"postgresql+{driver}://")


def described(table: str) -> Table:
    """The table as Core knows it."""
    return Table(table, MetaData(), Column("id", Integer, primary_key=True), Column("name", String))


class Core:
    """Core over psycopg."""

    driver = "psycopg"

    def __init__(self) -> None:
        self.engine: Engine = create_engine(driver_url(self.driver), pool_size=THREADS)

    def close(self) -> None:
        self.engine.dispose()

    def plain(self, table: str) -> None:
        users = described(table)
        with self.engine.begin() as connection:
            connection.execute(select(users).where(users.c.id == 1)).all()
            connection.execute(text(f"SELECT id FROM {table} WHERE name = 'one'"))
            connection.exec_driver_sql(f"UPDATE {table} SET name = 'two' WHERE id = 2")
        with self.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(select(users))

    def executemany(self, table: str) -> None:
        with self.engine.begin() as connection:
            rows = [{"name": f"name{number}", "id": number} for number in range(5)]
            connection.execute(text(f"UPDATE {table} SET name = :name WHERE id = :id"), rows)

    def insertmanyvalues(self, table: str) -> None:
        users = described(table)
        with self.engine.begin() as connection:
            connection.execute(insert(users).returning(users.c.id), [{"name": "many"}] * MANY).all()

    def server_side_cursor(self, table: str) -> None:
        with self.engine.connect() as connection:
            rows = connection.execution_options(yield_per=3).execute(text(f"SELECT id FROM {table}"))
            assert len(list(rows)) == ROWS

    def copy_in(self, table: str) -> None:
        with self.engine.begin() as connection:
            cursor = connection.connection.cursor()
            with cursor.copy(f"COPY {table} (name) FROM STDIN") as copy:
                copy.write_row(("copied",))

    def copy_out(self, table: str) -> None:
        with self.engine.begin() as connection:
            cursor = connection.connection.cursor()
            with cursor.copy(f"COPY {table} TO STDOUT") as copy:
                assert len(list(copy.rows())) == ROWS

    def nested(self, table: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(f"UPDATE {table} SET name = 'outer' WHERE id = 1"))
            with suppress(IntegrityError), connection.begin_nested():
                connection.execute(text(f"INSERT INTO {table} (id) VALUES (1)"))
            connection.execute(text(f"SELECT name FROM {table}"))

    def threads(self, table: str) -> None:
        def run(number: int) -> None:
            with self.engine.connect() as connection:
                for _ in range(5):
                    connection.execute(text(f"SELECT name FROM {table} WHERE id = :id"), {"id": number}).all()

        in_threads(THREADS, run)

    def cancelled(self, table: str) -> None:
        with self.engine.connect() as connection, meanwhile("pg_cancel_backend", table), suppress(OperationalError):
            connection.execute(text(sleep(table)))

    def timed_out(self, table: str) -> None:
        with self.engine.connect() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 50"))
            with suppress(OperationalError):
                connection.execute(text(sleep(table)))

    def refused(self, table: str) -> None:
        engine = create_engine(driver_url(self.driver, refused_url(table)))
        with suppress(OperationalError):
            engine.connect()

    def deadlock(self, table: str) -> None:
        with self.engine.connect() as first, self.engine.connect() as second:

            def run(caller: int, row: int) -> None:
                (first, second)[caller].execute(text(f"UPDATE {table} SET name = 'held' WHERE id = {row}"))
                if row == 2 - caller:
                    (first, second)[caller].rollback()

            assert crossing(run, (OperationalError,)) == ["OperationalError"]

    def killed(self, table: str) -> None:
        with self.engine.connect() as connection, meanwhile("pg_terminate_backend", table), suppress(DBAPIError):
            connection.execute(text(sleep(table)))

    def blank(self, table: str) -> None:
        with self.engine.connect() as connection:
            for statement in ("", "  \n", "-- a comment", "/* another */"):
                connection.exec_driver_sql(statement)


class CorePsycopg2(Core):
    """Core over psycopg2, which has no COPY of the same form."""

    driver = "psycopg2"

    def copy_in(self, table: str) -> None:
        with self.engine.begin() as connection, connection.connection.cursor() as cursor:
            cursor.copy_expert(f"COPY {table} (name) FROM STDIN", io.StringIO("copied\n"))

    def blank(self, table: str) -> None:
        with self.engine.connect() as connection:
            for statement in ("", "  \n", "-- a comment", "/* another */"):
                # psycopg2 refuses it, after the server answered.
                with suppress(DBAPIError):
                    connection.exec_driver_sql(statement)


class Orm(Core):
    """Sessions over psycopg."""

    def plain(self, table: str) -> None:
        user_class = mapped(table)
        with Session(self.engine) as session:
            user = session.get(user_class, 1)
            user.name = "changed"
            session.commit()
            session.scalars(select(user_class).where(user_class.name == "changed")).all()

    def executemany(self, table: str) -> None:
        user_class = mapped(table)
        with Session(self.engine) as session:
            session.execute(update(user_class), [{"id": number, "name": "changed"} for number in range(1, 6)])
            session.commit()

    def insertmanyvalues(self, table: str) -> None:
        user_class = mapped(table)
        with Session(self.engine) as session:
            session.add_all([user_class(name="many") for _ in range(MANY)])
            session.commit()

    def server_side_cursor(self, table: str) -> None:
        user_class = mapped(table)
        with Session(self.engine) as session:
            assert len(list(session.scalars(select(user_class).execution_options(yield_per=3)))) == ROWS

    def nested(self, table: str) -> None:
        user_class = mapped(table)
        with Session(self.engine) as session:
            session.add(user_class(name="outer"))
            with suppress(IntegrityError), session.begin_nested():
                session.add(user_class(id=1))
            session.commit()


def mapped(table: str) -> Any:
    """A class for the table."""
    user = type("User", (), {})
    registry().map_imperatively(user, described(table))
    return user


class AsyncPsycopg:
    """The asynchronous engine over psycopg."""

    driver = "psycopg"

    def __init__(self) -> None:
        self.engine: AsyncEngine = create_async_engine(driver_url(self.driver), pool_size=TASKS)

    async def close(self) -> None:
        await self.engine.dispose()

    async def plain(self, table: str) -> None:
        users = described(table)
        async with self.engine.begin() as connection:
            (await connection.execute(select(users).where(users.c.id == 1))).all()
            await connection.execute(text(f"SELECT id FROM {table} WHERE name = 'one'"))
            await connection.exec_driver_sql(f"UPDATE {table} SET name = 'two' WHERE id = 2")

    async def executemany(self, table: str) -> None:
        async with self.engine.begin() as connection:
            rows = [{"name": f"name{number}", "id": number} for number in range(5)]
            await connection.execute(text(f"UPDATE {table} SET name = :name WHERE id = :id"), rows)

    async def insertmanyvalues(self, table: str) -> None:
        users = described(table)
        async with self.engine.begin() as connection:
            (await connection.execute(insert(users).returning(users.c.id), [{"name": "many"}] * MANY)).all()

    async def server_side_cursor(self, table: str) -> None:
        async with self.engine.begin() as connection:
            rows = await connection.stream(text(f"SELECT id FROM {table}"), execution_options={"yield_per": 3})
            assert len([row async for row in rows]) == ROWS

    async def nested(self, table: str) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(f"UPDATE {table} SET name = 'outer' WHERE id = 1"))
            with suppress(IntegrityError):
                async with connection.begin_nested():
                    await connection.execute(text(f"INSERT INTO {table} (id) VALUES (1)"))
            await connection.execute(text(f"SELECT name FROM {table}"))

    async def gather(self, table: str) -> None:
        async def run(number: int) -> None:
            async with self.engine.connect() as connection:
                await connection.execute(text(f"SELECT name FROM {table} WHERE id = :id"), {"id": number})

        await asyncio.gather(*map(run, range(TASKS)))

    async def cancelled(self, table: str) -> None:
        async with self.engine.connect() as connection:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(connection.execute(text(sleep(table))), 0.1)

    async def timed_out(self, table: str) -> None:
        async with self.engine.connect() as connection:
            await connection.execute(text("SET LOCAL statement_timeout = 50"))
            with suppress(DBAPIError):
                await connection.execute(text(sleep(table)))

    async def refused(self, table: str) -> None:
        engine = create_async_engine(driver_url(self.driver, refused_url(table)))
        with suppress(OperationalError, OSError):
            await engine.connect()

    async def deadlock(self, table: str) -> None:
        async with self.engine.connect() as first, self.engine.connect() as second:
            await _hold(first, table, 1)
            await _hold(second, table, 2)
            crossed = _hold(first, table, 2), _hold(second, table, 1)
            outcomes = await asyncio.gather(*crossed, return_exceptions=True)
        assert sum(isinstance(outcome, DBAPIError) for outcome in outcomes) == 1

    async def killed(self, table: str) -> None:
        with meanwhile("pg_terminate_backend", table):
            async with self.engine.connect() as connection:
                with suppress(DBAPIError):
                    await connection.execute(text(sleep(table)))

    async def blank(self, table: str) -> None:
        async with self.engine.connect() as connection:
            for statement in ("", "  \n", "-- a comment", "/* another */"):
                await connection.exec_driver_sql(statement)


async def _hold(connection: AsyncConnection, table: str, row: int) -> None:
    await connection.execute(text(f"UPDATE {table} SET name = 'held' WHERE id = {row}"))


class AsyncAsyncpg(AsyncPsycopg):
    """The asynchronous engine over asyncpg."""

    driver = "asyncpg"
