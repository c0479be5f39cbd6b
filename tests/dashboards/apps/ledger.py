"""A service that keeps one connection more every few seconds, as one with a leak does; works until its input ends.

Each time an index comes or goes, by which its slow statement runs.
"""

from __future__ import annotations

import sys
import threading
import time

from opentelemetry import trace
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

SECONDS_UNTIL_NEXT = 1.5
SLOW = (
    "SELECT (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) SELECT max(i) FROM n)"
    " FROM entries WHERE cents = 100"
)
CHANGES = ("CREATE INDEX entries_cents ON entries (cents)", "DROP INDEX entries_cents")


def main() -> None:
    """Work."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    engine = create_engine(f"sqlite:///{sys.argv[1]}", poolclass=QueuePool, pool_size=30, max_overflow=0)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE entries (id INTEGER PRIMARY KEY, cents INTEGER NOT NULL)"))
        connection.execute(text("INSERT INTO entries VALUES (1, 100)"))
    kept, last = [], time.monotonic()
    while not ended.wait(0.05):
        with trace.get_tracer("ledger").start_as_current_span("book"), engine.connect() as connection:
            for number in range(12):
                connection.execute(text("SELECT cents FROM entries WHERE id = :number"), {"number": number}).all()
            connection.execute(text(SLOW)).all()
            for wrong in ("INSERT INTO entries VALUES (1, 1)", "SELECT euros FROM entries"):
                try:
                    connection.execute(text(wrong))
                except SQLAlchemyError:
                    connection.rollback()
        if time.monotonic() - last > SECONDS_UNTIL_NEXT:
            with engine.begin() as connection:
                connection.execute(text(CHANGES[len(kept) % 2]))
            kept.append(engine.connect())
            last = time.monotonic()


if __name__ == "__main__":
    main()
