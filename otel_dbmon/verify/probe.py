"""Runs statements that hold canaries, under the launcher and in the service's interpreter; prints what became of them.

It uses what the service has: SQLAlchemy on SQLite, or an instrumented sqlite3; without either, a span as an
instrumentation would make it. Statements fail and succeed, so that errors are seen, too.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any

from opentelemetry import metrics, trace

_SELECT = "SELECT id FROM otel_dbmon_probe WHERE email = '{canary}'"
_BROKEN = "SELECT id FROM otel_dbmon_probe_missing WHERE email = '{canary}'"


class Complaints(logging.Handler):
    """Keeps what exporters complain of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line, without its tail: that may be long."""
        self.texts.append(record.getMessage()[:300])


def main() -> None:
    """Run it all and print one line of JSON."""
    complaints = Complaints()
    logging.getLogger("opentelemetry").addHandler(complaints)
    canary = os.environ["DBMON_CANARY"]
    with trace.get_tracer("otel_dbmon.verify").start_as_current_span("otel-dbmon verify") as root:
        how = _statements(canary)
        trace_id = f"{root.get_span_context().trace_id:032x}"
        linked = _sentry_link(trace_id) if os.environ.get("DBMON_PROBE_SENTRY") else None
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
        flush = getattr(provider, "force_flush", None)
        if flush is not None:
            flush(15_000)
    answer = {"how": how, "trace_id": trace_id, "sentry": linked, "complaints": complaints.texts}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _statements(canary: str) -> str:
    try:
        return _with_sqlalchemy(canary)
    except ImportError:
        pass
    try:
        import opentelemetry.instrumentation.sqlite3  # noqa: F401 - the launcher has instrumented it then
    except ImportError:
        return _with_a_span(canary)
    return _with_sqlite3(canary)


def _with_sqlalchemy(canary: str) -> str:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE otel_dbmon_probe (id INTEGER, email TEXT)")
        connection.exec_driver_sql(_SELECT.format(canary=canary)).fetchall()
        try:
            connection.exec_driver_sql(_BROKEN.format(canary=canary))
        except SQLAlchemyError:
            return "SQLAlchemy on SQLite"
    raise AssertionError("a missing table is an error")


def _with_sqlite3(canary: str) -> str:
    import sqlite3

    cursor: Any = sqlite3.connect(":memory:").cursor()
    cursor.execute("CREATE TABLE otel_dbmon_probe (id INTEGER, email TEXT)")
    cursor.execute(_SELECT.format(canary=canary)).fetchall()
    try:
        cursor.execute(_BROKEN.format(canary=canary))
    except sqlite3.Error:
        return "sqlite3"
    raise AssertionError("a missing table is an error")


def _with_a_span(canary: str) -> str:
    tracer = trace.get_tracer("opentelemetry.instrumentation.sqlite3")
    attributes = {
        "db.system.name": "sqlite",
        "db.namespace": ":memory:",
        "db.query.text": _SELECT.format(canary=canary),
    }
    with tracer.start_as_current_span("SELECT", kind=trace.SpanKind.CLIENT, attributes=attributes):
        pass
    return "a span as of sqlite3"


def _sentry_link(trace_id: str) -> str:
    """Whether an error that Sentry is told of now carries the trace: "linked", "not linked", or why not known."""
    try:
        import sentry_sdk
        from sentry_sdk.transport import Transport
    except ImportError:
        return "sentry-sdk is not installed"
    events: list[dict[str, Any]] = []

    class Kept(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            events.extend(item.get_event() for item in envelope.items if item.get_event() is not None)

    # A key of nobody: the transport keeps what would be sent.
    sentry_sdk.init(dsn="http://key@127.0.0.1:1/1", transport=Kept)
    sentry_sdk.capture_exception(ValueError("otel-dbmon verify"))
    sentry_sdk.flush(2)
    found = [event.get("contexts", {}).get("trace", {}).get("trace_id") for event in events]
    return "linked" if found and all(one == trace_id for one in found) else "not linked"


if __name__ == "__main__":
    main()
