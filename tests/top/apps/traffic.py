"""A worker that asks its database all the time, some of it row by row, some of it wrong; ends with its input."""

from __future__ import annotations

import sys
import threading

from opentelemetry import trace
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

PAUSE_S = 0.02
_tracer = trace.get_tracer("traffic")


def serve_page(connection: Connection) -> None:
    """What one request sends: a query, then others row by row, then one that fails."""
    connection.execute(text("SELECT id FROM users WHERE email = 'canary-4711@example.com'"))
    for number in range(8):
        connection.execute(text("SELECT * FROM orders WHERE user_id = :user"), {"user": number})
    try:
        connection.execute(text("SELECT * FROM missing"))
    except OperationalError:
        connection.rollback()


def main() -> None:
    """Serve pages until nobody wants any."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        for table in ("users (id INTEGER, email TEXT)", "orders (id INTEGER, user_id INTEGER)"):
            connection.execute(text(f"CREATE TABLE {table}"))
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    print("ready", flush=True)
    with engine.connect() as connection:
        while not ended.wait(PAUSE_S):
            with _tracer.start_as_current_span("GET /"):
                serve_page(connection)


if __name__ == "__main__":
    main()
