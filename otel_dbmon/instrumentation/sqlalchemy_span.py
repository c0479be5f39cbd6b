"""Starts the span of each SQLAlchemy statement: what contrib says of an engine's first one holds for all the others.

contrib asks the engine's URL and the connection anew for every statement, and sets each attribute on its own, which
takes longer than all of our own work. Only where PostgreSQL's URL names no host does it ask the connection what the
attributes are: there, each connection has a first statement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

from opentelemetry.context import get_current
from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan, SpanKind

from otel_dbmon_processors import span as spans
from otel_dbmon_processors.guard import Guard
from otel_dbmon_semconv import attributes as names

Method = Callable[..., Any]

#: The attributes that contrib takes from a statement.
_OWN = frozenset({*spans.TEXT_KEYS, names.DB_OPERATION, names.DB_OPERATION_NAME})
#: Where the ``info`` of a connection has what is known of it.
_INFO_KEY = "otel_dbmon.span"
#: Known of an engine is only that its connections have to be asked.
_EACH_CONNECTION = object()
# Members of an enumeration are found by a search each time.
_CLIENT = SpanKind.CLIENT


def complete(guard: Guard) -> None:
    """Let all engines that are traced from now on start their spans in this way.

    Args:
        guard: Counts our failures; after one, contrib goes on alone.
    """
    tracer_class: Any = EngineTracer
    tracer_class._dbmon_known = None
    tracer_class._before_cur_exec = _starting(tracer_class._before_cur_exec, guard)


class _Note(NonRecordingSpan):
    """Takes down what contrib sets. A real span would also hold what others put on it, a user's id for one."""

    def __init__(self, name: str) -> None:
        super().__init__(INVALID_SPAN_CONTEXT)
        self.name = name
        self.attributes: dict[str, Any] = {}

    def is_recording(self) -> bool:
        return True

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.attributes.update(attributes)


class _NoteTaker:
    """A tracer whose spans are notes, and the execution context on which contrib leaves the note."""

    _otel_span: _Note

    def start_span(self, name: str, *_: object, **__: object) -> _Note:
        return _Note(name)


class _Known:
    """What the spans of one engine, or of one connection, have in common.

    Attributes:
        attributes: All attributes but the statement.
        texts: The attributes that hold the statement, by the conventions that the user chose.
        database: What contrib puts behind the first word in a span's name, "" for nothing.
        suffix: The same with a space before it.
        limit: Most characters of an attribute, None for any number.
        kind: The class of the spans, if it is the SDK's.
    """

    __slots__ = ("attributes", "database", "kind", "limit", "suffix", "texts")

    def __init__(self, note: _Note, first_word: str, span: Any) -> None:
        self.attributes = {key: value for key, value in note.attributes.items() if key not in _OWN}
        self.texts = [key for key in spans.TEXT_KEYS if key in note.attributes]
        self.database = note.name.removeprefix(first_word).strip()
        self.suffix = f" {self.database}" if self.database else ""
        self.kind, self.limit = spans.kind_and_limit_of(span)


def _starting(start_by_contrib: Method, guard: Guard) -> Method:
    def start(self: Any, conn: Any, cursor: Any, statement: Any, params: Any, execution: Any, many: bool) -> Any:
        known = self._dbmon_known
        if known is _EACH_CONNECTION:
            known = conn.info.get(_INFO_KEY)
        if known is None or type(statement) is not str:
            started = start_by_contrib(self, conn, cursor, statement, params, execution, many)
            span = getattr(execution, "_otel_span", None)
            try:
                _learn(self, conn, cursor, statement, span, start_by_contrib)
            except Exception as error:  # noqa: BLE001 - the application is about to run its statement
                guard.failed("sqlalchemy span", error)
        elif is_instrumentation_enabled():
            started = statement, params
            span = execution._otel_span = _started(self, known, statement)
        else:
            return statement, params
        # Whether repeats are all the same is seen by the parameters.
        is_streamed = getattr(execution, "_is_server_side", False)
        spans.remember_parameters(span, spans.STREAMED if is_streamed else params)
        return started

    return start


def _started(tracer: Any, known: _Known, statement: str) -> Any:
    words = statement.split(None, 1)
    if not words or words[0].startswith("/*"):
        name = tracer._operation_name(known.database, statement)
    else:
        name = words[0] + known.suffix
    # Whoever looks for the parent would ask for the current context again.
    span = tracer.tracer.start_span(name, get_current(), _CLIENT)
    attributes = known.attributes.copy()
    for key in known.texts:
        attributes[key] = statement if known.limit is None else statement[: known.limit]
    if type(span) is known.kind:
        spans.set_valid(span, attributes)
    elif span.is_recording():
        span.set_attributes(attributes)
    return span


def _learn(tracer: Any, conn: Any, cursor: Any, statement: Any, span: Any, start_by_contrib: Method) -> None:
    """Take over from contrib, unless it adds comments to statements."""
    if span is None or not span.is_recording() or tracer.enable_commenter:
        return
    if not isinstance(statement, str) or not statement.split():
        return
    shadow, taker = copy(tracer), _NoteTaker()
    shadow.tracer = taker
    start_by_contrib(shadow, conn, cursor, statement, None, taker, False)
    known = _Known(taker._otel_span, tracer._operation_name(None, statement), span)
    if tracer.vendor == "postgresql" and not conn.engine.url.host:
        tracer._dbmon_known = _EACH_CONNECTION
        conn.info[_INFO_KEY] = known
    else:
        tracer._dbmon_known = known
