"""A service at full speed: threads that only send statements, in requests of ten, until it is asked to end.

Prints one JSON line when it ends: what it sent, by its own count, and what went wrong in it.
"""

from __future__ import annotations

import itertools
import json
import signal
import threading
from collections import Counter

from opentelemetry import trace
from opentelemetry.trace import SpanKind
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import StaticPool

THREADS = 4
_ending = threading.Event()
_tracer = trace.get_tracer("service")


class Worker(threading.Thread):
    """Sends statements on a database of its own.

    Attributes:
        sent: How many went to the driver.
        requests: How many requests they were sent in.
        wrong: Exceptions that nobody expected, by class.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0
        self.requests = 0
        self.wrong: Counter[str] = Counter()

    def run(self) -> None:
        """Request after request."""
        engine = create_engine("sqlite://", poolclass=StaticPool)
        event.listen(engine, "before_cursor_execute", self._count)
        with engine.connect() as connection:
            connection.execute(text("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)"))
            connection.execute(text("INSERT INTO users VALUES (1, 'one')"))
            for number in itertools.count():
                if _ending.is_set():
                    return
                self._request(connection, number)

    def _count(self, *_: object) -> None:
        self.sent += 1

    def _request(self, connection: Connection, number: int) -> None:
        self.requests += 1
        try:
            with _tracer.start_as_current_span("GET /users", kind=SpanKind.SERVER):
                for step in range(8):
                    connection.execute(text("SELECT name FROM users WHERE id = :id"), {"id": step}).all()
                connection.exec_driver_sql(f"SELECT {number} + id FROM users WHERE name = 'name {number}'").all()
                try:
                    connection.execute(text("INSERT INTO users VALUES (1, :name)"), {"name": "again"})
                except IntegrityError:
                    connection.rollback()
        except Exception as error:
            self.wrong[type(error).__name__] += 1


def main() -> None:
    """Work until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: _ending.set())
    workers = [Worker() for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    wrong = sum((worker.wrong for worker in workers), Counter())
    sent, requests = (sum(getattr(worker, name) for worker in workers) for name in ("sent", "requests"))
    print(json.dumps({"sent": sent, "requests": requests, "connections": THREADS, "wrong": wrong}), flush=True)


if __name__ == "__main__":
    main()
