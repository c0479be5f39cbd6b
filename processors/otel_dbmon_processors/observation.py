"""Describes one executed statement, wherever it was seen: a span or an engine hook makes one, stages read it."""

from __future__ import annotations

from typing import NamedTuple


class ErrorFacts:
    """What may be said about a failed statement without saying any value.

    Attributes:
        type: The metric label, one of timeout, connection, deadlock, serialization, integrity, syntax, permission,
            resource, data, cancelled, other.
        exception: Qualified class name of the driver's exception (``error.type`` on the span), "" if unknown.
        status_code: SQLSTATE or the driver's own code (``db.response.status_code``), "" if unknown.
    """

    __slots__ = ("exception", "status_code", "type")

    def __init__(self, type: str, exception: str = "", status_code: str = "") -> None:
        self.type = type
        self.exception = exception
        self.status_code = status_code


class Origin(NamedTuple):
    """Where a statement was sent; the statements of one connection share one object.

    Attributes:
        system: ``db.system.name``, "" if unknown.
        namespace: ``db.namespace``, "" if unknown.
        server_address: ``server.address``, "" if unknown.
        server_port: ``server.port``, 0 if unknown.
    """

    system: str = ""
    namespace: str = ""
    server_address: str = ""
    server_port: int = 0


class Observation(NamedTuple):
    """One statement that was sent to a database. A tuple, since each query makes one.

    Attributes:
        statement: The SQL text as the driver got it (it may hold literals: it never leaves this object).
        origin: Where it was sent.
        start_ns: Start in nanoseconds since the epoch.
        duration_ns: Duration in nanoseconds, never negative.
        error: What went wrong, or None.
        trace_id: 128-bit trace id, 0 without a span.
        span_id: 64-bit id of the database span itself, 0 without a span.
        parent_id: 64-bit id of the span's parent, 0 without one.
        sampled: Whether the span is exported, so that an exemplar may point at it.
    """

    statement: str
    origin: Origin = Origin()
    start_ns: int = 0
    duration_ns: int = 0
    error: ErrorFacts | None = None
    trace_id: int = 0
    span_id: int = 0
    parent_id: int = 0
    sampled: bool = False
