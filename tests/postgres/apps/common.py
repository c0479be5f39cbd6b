"""What all clients of the matrix share: where the server is, and what goes on beside a statement that takes long."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

URL = os.environ["DATABASE_URL"]
ROWS = 10
THREADS = 8
TASKS = 20
PAGE = 1000
MANY = 2500


def refused_url(database: str) -> str:
    """A URL at which nobody listens: port 1 is reserved."""
    return f"postgresql://dbmon@127.0.0.1:1/{database}"


@contextmanager
def meanwhile(function: str, table: str) -> Iterator[None]:
    """Let another connection call ``pg_cancel_backend`` or ``pg_terminate_backend`` on whoever reads this table."""

    def call() -> None:
        wanted = f"SELECT count({function}(pid)) FROM pg_stat_activity WHERE query LIKE %s AND wait_event = 'PgSleep'"
        with psycopg.connect(URL, autocommit=True) as connection:
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                found = connection.execute(wanted, (f"%pg_sleep%{table}%",)).fetchone()
                if found is not None and found[0]:
                    return
                time.sleep(0.02)

    caller = threading.Thread(target=call)
    caller.start()
    try:
        yield
    finally:
        caller.join()


def sleep(table: str) -> str:
    """A statement on this table that takes longer than any test waits."""
    return f"SELECT pg_sleep(20) FROM {table} LIMIT 1"


def in_threads(count: int, run: Callable[[int], Any]) -> None:
    """Run a function so many times at once, with its number."""
    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def crossing(update: Callable[[int, int], None], errors: tuple[type[Exception], ...]) -> list[str]:
    """Let two callers update two rows in opposite order, and say what they failed with: one of them does.

    Args:
        update: Called with the caller (0 or 1) and the row (1 or 2); it keeps one transaction for each caller.
        errors: What a caller may fail with.
    """
    both_hold_one = threading.Barrier(2, timeout=10)
    failed: list[str] = []

    def run(caller: int) -> None:
        update(caller, 1 + caller)
        both_hold_one.wait()
        try:
            update(caller, 2 - caller)
        except errors as error:
            failed.append(type(error).__name__)

    in_threads(2, run)
    return failed
