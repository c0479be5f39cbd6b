"""SQLite, which counts for itself: each connection tells of every statement that it runs."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from common import MANY, ROWS, THREADS, in_threads
from sqlalchemy import create_engine, event, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from with_sqlalchemy import described

FILE = Path(mkdtemp()) / "test.db"
SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n, {}"


def tell(statement: str) -> None:
    """Say what SQLite ran, on a line of its own; the test counts these."""
    sys.stderr.write(f"ran: {' '.join(statement.split())[:200]}\n")


def prepare(table: str) -> None:
    """Make the table; the class itself is not traced, as ``sqlite3.connect`` is, and does not tell."""
    with closing(sqlite3.Connection(FILE)) as connection, connection:
        connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, name TEXT)")
        connection.executemany(f"INSERT INTO {table} (name) VALUES (?)", [("n",)] * ROWS)


class CoreSqlite:
    """SQLAlchemy over sqlite3."""

    def __init__(self) -> None:
        self.engine = create_engine(f"sqlite:///{FILE}", connect_args={"timeout": 0.1})

        @event.listens_for(self.engine, "connect")
        def listen(connection: Any, _: object) -> None:
            connection.set_trace_callback(tell)

    def plain(self, table: str) -> None:
        prepare(table)
        users = described(table)
        with self.engine.begin() as connection:
            connection.execute(select(users).where(users.c.id == 1)).all()
            connection.execute(text(f"SELECT id FROM {table} WHERE name = 'one'"))
            connection.exec_driver_sql(f"UPDATE {table} SET name = 'two' WHERE id = 2")

    def executemany(self, table: str) -> None:
        prepare(table)
        with self.engine.begin() as connection:
            rows = [{"name": f"name{number}", "id": number} for number in range(5)]
            connection.execute(text(f"UPDATE {table} SET name = :name WHERE id = :id"), rows)

    def insertmanyvalues(self, table: str) -> None:
        prepare(table)
        users = described(table)
        with self.engine.begin() as connection:
            connection.execute(insert(users).returning(users.c.id), [{"name": "many"}] * MANY).all()

    def nested(self, table: str) -> None:
        prepare(table)
        with self.engine.begin() as connection:
            connection.execute(text(f"UPDATE {table} SET name = 'outer' WHERE id = 1"))
            with suppress(IntegrityError), connection.begin_nested():
                connection.execute(text(f"INSERT INTO {table} (id) VALUES (1)"))
            connection.execute(text(f"SELECT name FROM {table}"))

    def threads(self, table: str) -> None:
        prepare(table)

        def run(number: int) -> None:
            with self.engine.connect() as connection:
                for _ in range(5):
                    connection.execute(text(f"SELECT name FROM {table} WHERE id = :id"), {"id": number}).all()

        in_threads(THREADS, run)

    def cancelled(self, table: str) -> None:
        prepare(table)
        with self.engine.connect() as connection:
            raw = connection.connection.dbapi_connection
            with interrupting(raw), suppress(OperationalError):
                connection.execute(text(SLOW.format(table)))

    def timed_out(self, table: str) -> None:
        prepare(table)
        with closing(sqlite3.Connection(FILE)) as other, self.engine.connect() as connection:
            connection.execute(text(f"SELECT id FROM {table}")).all()
            connection.rollback()
            other.execute("BEGIN EXCLUSIVE")
            with suppress(OperationalError):
                connection.execute(text(f"UPDATE {table} SET name = 'two'"))

    def blank(self, table: str) -> None:
        with self.engine.connect() as connection:
            for statement in ("", "  \n", "-- a comment", "/* another */"):
                connection.exec_driver_sql(statement)


class Sqlite:
    """sqlite3 without anything above it."""

    @contextmanager
    def connection(self) -> Iterator[Any]:
        with closing(sqlite3.connect(FILE, timeout=0.1)) as connection:
            connection.set_trace_callback(tell)
            yield connection

    def plain(self, table: str) -> None:
        prepare(table)
        with self.connection() as connection:
            cursor = connection.cursor()
            cursor.execute(f"SELECT id FROM {table} WHERE name = 'one'").fetchall()
            cursor.execute(f"UPDATE {table} SET name = ? WHERE id = ?", ("two", 2))
            connection.execute(f"SELECT name FROM {table}").fetchall()
            connection.executemany(f"UPDATE {table} SET name = ? WHERE id = ?", [("three", 3)])
            connection.commit()

    def executemany(self, table: str) -> None:
        prepare(table)
        with self.connection() as connection:
            rows = [(f"name{number}", number) for number in range(5)]
            connection.cursor().executemany(f"UPDATE {table} SET name = ? WHERE id = ?", rows)
            connection.cursor().executemany(f"UPDATE {table} SET name = ? WHERE id = ?", [])

    def nested(self, table: str) -> None:
        prepare(table)
        with self.connection() as connection:
            cursor = connection.cursor()
            cursor.execute(f"UPDATE {table} SET name = 'outer' WHERE id = 1")
            with suppress(sqlite3.IntegrityError):
                cursor.execute(f"INSERT INTO {table} (id) VALUES (1)")
            connection.rollback()

    def threads(self, table: str) -> None:
        prepare(table)

        def run(number: int) -> None:
            with self.connection() as connection:
                for _ in range(5):
                    connection.cursor().execute(f"SELECT name FROM {table} WHERE id = ?", (number,))

        in_threads(THREADS, run)

    def cancelled(self, table: str) -> None:
        prepare(table)
        with self.connection() as connection, interrupting(connection), suppress(sqlite3.OperationalError):
            connection.cursor().execute(SLOW.format(table)).fetchall()

    def timed_out(self, table: str) -> None:
        prepare(table)
        with closing(sqlite3.Connection(FILE)) as other, self.connection() as connection:
            connection.cursor().execute(f"SELECT id FROM {table}").fetchall()
            other.execute("BEGIN EXCLUSIVE")
            with suppress(sqlite3.OperationalError):
                connection.cursor().execute(f"UPDATE {table} SET name = 'two'")

    def blank(self, table: str) -> None:
        with self.connection() as connection:
            for statement in ("", "  \n", "-- a comment", "/* another */"):
                connection.cursor().execute(statement)


@contextmanager
def interrupting(connection: Any) -> Iterator[None]:
    """Interrupt what runs on this connection, soon."""
    timer = threading.Timer(0.1, connection.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.join()
