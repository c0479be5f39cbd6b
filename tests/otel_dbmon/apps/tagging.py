"""A script that marks each span with the request it belongs to, as a processor of baggage does."""

from __future__ import annotations

from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor
from sqlalchemy import create_engine, text

request = ContextVar("request", default="")


class Mark(SpanProcessor):
    """Sets an attribute when a span starts."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        span.set_attribute("db.request", request.get())
        span.set_attribute("request", request.get())


trace.get_tracer_provider().add_span_processor(Mark())
engine = create_engine("sqlite:///file:memory?mode=memory&uri=true")
for name in ("first", "second"):
    request.set(name)
    with engine.execution_options(marked=name).connect() as connection:
        connection.execute(text("SELECT 1"))
        connection.execute(text(""))
