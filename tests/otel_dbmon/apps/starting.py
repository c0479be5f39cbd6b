"""A script that prints how the spans of some statements start: first in engines of their own, then in one for all."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from sqlalchemy import Engine, create_engine, event

STATEMENTS = (
    "SELECT 1",
    "  SELECT\n'x'",
    "/* a comment */ SELECT 2",
    "/* one */ -- and another\nSELECT 3",
    "-- only",
    "",
)


def show(engine: Engine, statement: str) -> None:
    """Run one statement and print its span, and what contrib has found out about it."""

    def started(_: object, __: object, text: str, ___: object, execution: Any, ____: object) -> None:
        if text == statement:
            span = execution._otel_span
            kept = {key: value for key, value in span.attributes.items() if not key.startswith("db.operation")}
            print(json.dumps([span.name, kept, span.kind.name], sort_keys=True))

    with engine.connect() as connection:
        # Behind contrib's own listener.
        event.listen(engine, "before_cursor_execute", started)
        try:
            connection.exec_driver_sql(statement)
        except Exception as error:
            print(type(error).__name__, file=sys.stderr)
        event.remove(engine, "before_cursor_execute", started)


url = os.environ["APP_URL"]
for statement in STATEMENTS:
    show(create_engine(url), statement)
for_all = create_engine(url)
with for_all.connect() as connection:
    connection.exec_driver_sql("SELECT 0")
for statement in STATEMENTS:
    show(for_all, statement)
