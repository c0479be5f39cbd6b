"""What the served applications share: statements on SQLite, counted per process by the application itself."""

from __future__ import annotations

import os

from sqlalchemy import Engine, create_engine, event, text

sent = 0
engine: Engine | None = None


def connect() -> Engine:
    """This process's engine; an application that connects before a fork makes one there, as people do."""
    global engine
    if engine is None:
        engine = create_engine(os.environ["DATABASE_URL"])

        @event.listens_for(engine, "before_cursor_execute")
        def count(*_: object) -> None:
            global sent
            sent += 1

    return engine


def visit(statements: int = 3) -> dict[str, int]:
    """Run some statements and say how many this process has sent so far, those inherited from its parent left out."""
    with connect().connect() as connection:
        for number in range(statements):
            connection.execute(text("SELECT :number AS number"), {"number": number}).all()
    return {"pid": os.getpid(), "sent": sent}


def forget_parent() -> None:
    """Let a forked child count from zero, on connections of its own."""
    global sent, engine
    sent, engine = 0, None


os.register_at_fork(after_in_child=forget_parent)
