"""psycopg2 without anything above it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
from common import ROWS, THREADS, URL, in_threads, meanwhile, refused_url, sleep
from psycopg2.extras import execute_values


class Psycopg2:
    """Connections of its own."""

    @contextmanager
    def cursor(self, name: str | None = None) -> Iterator[Any]:
        connection = psycopg2.connect(URL)
        try:
            with connection, connection.cursor(name) as cursor:
                yield cursor
        finally:
            connection.close()

    def plain(self, table: str) -> None:
        with self.cursor() as cursor:
            cursor.execute(f"SELECT id FROM {table} WHERE name = 'one'")
            cursor.execute(f"UPDATE {table} SET name = %s WHERE id = %s".encode(), ("two", 2))

    def executemany(self, table: str) -> None:
        with self.cursor() as cursor:
            rows = [(f"name{number}", number) for number in range(5)]
            cursor.executemany(f"UPDATE {table} SET name = %s WHERE id = %s", rows)

    def insertmanyvalues(self, table: str) -> None:
        with self.cursor() as cursor:
            execute_values(cursor, f"INSERT INTO {table} (name) VALUES %s", [("many",)] * 250)

    def named_cursor(self, table: str) -> None:
        with self.cursor("reader") as cursor:
            cursor.itersize = 3
            cursor.execute(f"SELECT id FROM {table}")
            assert len(list(cursor)) == ROWS

    def copy_in(self, table: str) -> None:
        with self.cursor() as cursor:
            cursor.copy_expert(f"COPY {table} (name) FROM STDIN", io.StringIO("copied\n"))
            cursor.copy_from(io.StringIO("copied\n"), table, columns=["name"])

    def copy_out(self, table: str) -> None:
        with self.cursor() as cursor:
            cursor.copy_to(io.StringIO(), table)

    def threads(self, table: str) -> None:
        def run(number: int) -> None:
            with self.cursor() as cursor:
                for _ in range(5):
                    cursor.execute(f"SELECT name FROM {table} WHERE id = %s", (number,))

        in_threads(THREADS, run)

    def cancelled(self, table: str) -> None:
        with meanwhile("pg_cancel_backend", table), suppress(psycopg2.errors.QueryCanceled), self.cursor() as cursor:
            cursor.execute(sleep(table))

    def timed_out(self, table: str) -> None:
        with suppress(psycopg2.errors.QueryCanceled), self.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 50")
            cursor.execute(sleep(table))

    def refused(self, table: str) -> None:
        with suppress(psycopg2.OperationalError):
            psycopg2.connect(refused_url(table))

    def killed(self, table: str) -> None:
        with meanwhile("pg_terminate_backend", table), suppress(psycopg2.Error), self.cursor() as cursor:
            cursor.execute(sleep(table))

    def blank(self, table: str) -> None:
        with self.cursor() as cursor:
            for statement in ("", "  \n", "-- a comment", "/* another */"):
                with suppress(psycopg2.ProgrammingError):
                    cursor.execute(statement)
