"""Describes one executed statement, wherever it was seen: a finished span or an engine hook makes one, stages read it."""

from __future__ import annotations


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


class Observation:
    """One statement that was sent to a database.

    Attributes:
        statement: The SQL text as the driver got it (it may hold literals: it never leaves this object).
        system: ``db.system.name``, "" if unknown.
        namespace: ``db.namespace``, "" if unknown.
        server_address: ``server.address``, "" if unknown.
        server_port: ``server.port``, 0 if unknown.
        start_ns: Start in nanoseconds since the epoch.
        duration_ns: Duration in nanoseconds, never negative.
        error: What went wrong, or None.
        trace_id: 128-bit trace id, 0 without a span.
        span_id: 64-bit id of the database span itself, 0 without a span.
        parent_id: 64-bit id of the span's parent, 0 without one.
        sampled: Whether the span is exported, so that an exemplar may point at it.
    """

    __slots__ = (
        "duration_ns",
        "error",
        "namespace",
        "parent_id",
        "sampled",
        "server_address",
        "server_port",
        "span_id",
        "start_ns",
        "statement",
        "system",
        "trace_id",
    )

    def __init__(
        self,
        statement: str,
        system: str = "",
        namespace: str = "",
        server_address: str = "",
        server_port: int = 0,
        start_ns: int = 0,
        duration_ns: int = 0,
        error: ErrorFacts | None = None,
        trace_id: int = 0,
        span_id: int = 0,
        parent_id: int = 0,
        sampled: bool = False,
    ) -> None:
        self.statement = statement
        self.system = system
        self.namespace = namespace
        self.server_address = server_address
        self.server_port = server_port
        self.start_ns = start_ns
        self.duration_ns = duration_ns
        self.error = error
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_id = parent_id
        self.sampled = sampled
