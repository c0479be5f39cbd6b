"""Asks a PostgreSQL server what it was sent: what it executed, and what it refused or gave up."""

from __future__ import annotations

import csv
import io
import time
import uuid

import psycopg

#: Columns of the server's log in CSV format, counted from 0 (PostgreSQL documentation, 20.8.4).
SEVERITY, SQLSTATE, STATEMENT = 11, 12, 19


class Server:
    """One server and a connection to look at it.

    Args:
        url: How to connect, as a superuser.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    def close(self) -> None:
        """Look no more."""
        self._connection.close()

    def run(self, *statements: str) -> None:
        """Prepare something; no test counts it."""
        for statement in statements:
            self._connection.execute(statement)

    def executed(self) -> list[tuple[str, int]]:
        """Every statement that ended well, and how often.

        What a cursor fetches, and the statement inside the one that declares it, are no statements that were sent.
        """
        return self._connection.execute(
            "SELECT query, calls FROM pg_stat_statements WHERE query !~* '^(FETCH|CLOSE|MOVE)'"
        ).fetchall()

    def failed(self) -> list[tuple[str, str]]:
        """SQLSTATE and text of every statement that did not, from the server's log."""
        rows = self._log()
        return [(row[SQLSTATE], row[STATEMENT]) for row in rows if row[SEVERITY] in ("ERROR", "FATAL")]

    def _log(self) -> list[list[str]]:
        # The log is written by a process of its own: it is complete when it has what we say last.
        last = uuid.uuid4().hex
        self._connection.execute(f"DO $$BEGIN RAISE LOG '{last}'; END$$")
        deadline = time.monotonic() + 10
        while True:
            row = self._connection.execute("SELECT pg_read_file(pg_current_logfile('csvlog'))").fetchone()
            text = row[0] if row is not None and row[0] is not None else ""
            if last in text or time.monotonic() > deadline:
                return list(csv.reader(io.StringIO(text)))
            time.sleep(0.05)
