"""500 slow statements of one kind; says what they took of their thread, and when it had no more to do."""

from __future__ import annotations

import os
import sys
import time

from sqlalchemy import create_engine, text

engine = create_engine("sqlite://")


def main() -> None:
    """All of them, in a row."""
    with engine.connect() as connection:
        connection.execute(text("SELECT 0"))
        started = time.thread_time()
        for number in range(500):
            connection.execute(text(f"SELECT '{number}' AS number"))
        took = time.thread_time() - started
    time.sleep(float(os.environ.get("LINGER", "0")))
    print(f"{took:.4f} {time.time():.4f}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
