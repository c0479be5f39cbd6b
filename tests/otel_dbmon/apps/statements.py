"""An ordinary script that knows nothing of monitoring: counts what it sends, and answers it on standard output.

It waits for the end of its standard input, so that a test can look at the running process.
"""

from __future__ import annotations

import json
import logging
import os
import sys

from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import IntegrityError

CANARY = "canary-4711@example.com"

logging.basicConfig(stream=sys.stderr)


def main() -> None:
    """Run some statements of several kinds on a SQLite file."""
    sent = 0
    engine = create_engine(os.environ.get("DATABASE_URL", "sqlite://"))

    @event.listens_for(engine, "before_cursor_execute")
    def count(*_: object) -> None:
        nonlocal sent
        sent += 1

    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT UNIQUE)"))
        connection.execute(text("INSERT INTO users (email) VALUES (:email)"), {"email": CANARY})
        for number in range(20):
            connection.execute(text("SELECT email FROM users WHERE id = :id"), {"id": number})
            connection.exec_driver_sql(f"SELECT email FROM users WHERE email = '{CANARY}{number}'")
    try:
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO users (email) VALUES (:email)"), {"email": CANARY})
    except IntegrityError:
        logging.getLogger("app").warning("could not save a user")
    print(json.dumps({"sent": sent}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
