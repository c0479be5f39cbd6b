"""A worker without any framework: psycopg 3 and its pool. It books what was ordered, round after round."""

from __future__ import annotations

import os
import signal
import sys
import time

import psycopg
from psycopg_pool import ConnectionPool

TABLES = """
CREATE TABLE IF NOT EXISTS accounts (
    id serial PRIMARY KEY, owner text NOT NULL, cents bigint NOT NULL CHECK (cents >= 0)
);
CREATE TABLE IF NOT EXISTS bookings (id serial PRIMARY KEY, account_id int NOT NULL, cents bigint NOT NULL)
"""
ACCOUNTS = 10


def prepare(connection: psycopg.Connection) -> None:
    """Make the tables and, by COPY, the accounts."""
    for statement in TABLES.split(";"):
        connection.execute(statement)
    row = connection.execute("SELECT count(*) FROM accounts").fetchone()
    if row == (0,):
        with connection.cursor().copy("COPY accounts (owner, cents) FROM STDIN") as copy:
            for number in range(ACCOUNTS):
                copy.write_row((f"owner-{number}@example.com", 1_000_000))


def book(connection: psycopg.Connection) -> None:
    """Take from one account and note it, both or neither."""
    with connection.transaction():
        connection.execute("UPDATE accounts SET cents = cents - %s WHERE id = %s", (250, 1))
        connection.execute("INSERT INTO bookings (account_id, cents) VALUES (%s, %s)", (1, 250))


def statements(connection: psycopg.Connection) -> int:
    """Ask for each account's bookings by a statement of its own, as one should not."""
    total = 0
    for (account_id,) in connection.execute("SELECT id FROM accounts ORDER BY id").fetchall():
        row = connection.execute("SELECT count(*) FROM bookings WHERE account_id = %s", (account_id,)).fetchone()
        total += row[0] if row else 0
    return total


def overdraw(connection: psycopg.Connection) -> str:
    """Try to take more than there is: the database refuses, and quotes the row in its error."""
    try:
        connection.execute("UPDATE accounts SET cents = cents - 99000000 WHERE owner = 'owner-3@example.com'")
    except psycopg.errors.CheckViolation:
        return "refused"
    return "booked"


def main() -> None:
    """Work until told to stop, or for as many rounds as the command line says."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else sys.maxsize
    with ConnectionPool(os.environ["DATABASE_URL"], min_size=1, max_size=4, open=True) as pool:
        with pool.connection() as connection:
            prepare(connection)
        for number in range(1, rounds + 1):
            with pool.connection() as connection:
                book(connection)
                total = statements(connection)
            with pool.connection() as connection:
                outcome = overdraw(connection)
                connection.rollback()
            print(f"round {number}: {total} bookings, an overdraft was {outcome}", flush=True)
            time.sleep(float(os.environ.get("PAUSE", "2")))


if __name__ == "__main__":
    main()
