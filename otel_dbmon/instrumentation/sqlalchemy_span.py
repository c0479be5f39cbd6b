"""Starts the span of each SQLAlchemy statement: what contrib says of an engine's first one holds for all the others.

contrib asks the engine's URL and the connection anew for every statement, and sets each attribute on its own, which
takes longer than all of our own work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.trace import SpanKind

from otel_dbmon_processors.span import TEXT_KEYS
from otel_dbmon_semconv import attributes as names

Method = Callable[..., Any]

#: The attributes that contrib takes from an engine begin with one of these.
_COMMON = ("db.", "net.", "network.", "server.")


def complete() -> None:
    """Let all engines that are traced from now on start their spans in this way."""
    tracer_class: Any = EngineTracer
    tracer_class._before_cur_exec = _starting(tracer_class._before_cur_exec)


class _Engine:
    """What the spans of one engine have in common.

    Attributes:
        attributes: All attributes but the statement.
        texts: The attributes that hold the statement, by the conventions that the user chose.
        database: What contrib puts behind the first word in a span's name.
    """

    __slots__ = ("attributes", "database", "texts")

    def __init__(self, attributes: dict[str, Any], database: str) -> None:
        # What other processors put on a span when it starts, a user's id from baggage for one, is that span's alone.
        own = {*TEXT_KEYS, names.DB_OPERATION, names.DB_OPERATION_NAME}
        common = (key for key in attributes if key.startswith(_COMMON) and key not in own)
        self.attributes = {key: attributes[key] for key in common}
        self.texts = [key for key in TEXT_KEYS if key in attributes]
        self.database = database


def _starting(start_by_contrib: Method) -> Method:
    def start(self: Any, conn: Any, cursor: Any, statement: Any, params: Any, execution: Any, many: bool) -> Any:
        engine: _Engine | None = self.__dict__.get("_dbmon_engine")
        if engine is None or not isinstance(statement, str):
            started = start_by_contrib(self, conn, cursor, statement, params, execution, many)
            _learn(self, conn.engine.url, getattr(execution, "_otel_span", None))
            return started
        if is_instrumentation_enabled():
            first_word = statement.split(None, 1)[:1]
            attributes = dict.fromkeys(engine.texts, statement)
            attributes.update(engine.attributes)
            execution._otel_span = self.tracer.start_span(
                " ".join([*first_word, engine.database]), kind=SpanKind.CLIENT, attributes=attributes
            )
        return statement, params

    return start


def _learn(tracer: Any, url: Any, span: Any) -> None:
    """Take over from contrib, unless its spans differ: by what it asks the connection, or by comments that it adds."""
    attributes = getattr(span, "attributes", None)
    if attributes and url.database and (url.host or tracer.vendor == "sqlite") and not tracer.enable_commenter:
        tracer._dbmon_engine = _Engine(dict(attributes), url.database)
