"""Makes a span of our own from a statement that contrib has none for, and marks any statement's span as failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.status import Status, StatusCode

from otel_dbmon import __version__
from otel_dbmon.runtime import current
from otel_dbmon.scopes import OWN_PREFIX
from otel_dbmon_processors.errors import error_facts
from otel_dbmon_processors.observation import ErrorFacts
from otel_dbmon_processors.pipeline import Pipeline
from otel_dbmon_processors.span import remember_error
from otel_dbmon_semconv import attributes as names

Attributes = Mapping[str, Any]

#: The steps that are no statements; the metric label ``operation`` of their errors.
CONNECT, COMMIT = "CONNECT", "COMMIT"


class Statement:
    """One statement and its span: a context manager around the driver's call, for asynchronous calls too.

    A generator that is closed before its last row did not fail.

    Args:
        span: The open span; it is not made current, for nothing below a driver's call looks for it.
    """

    __slots__ = ("span",)

    def __init__(self, span: Span) -> None:
        self.span = span

    def __enter__(self) -> Statement:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.end(None if isinstance(error, GeneratorExit) else error)

    def end(self, error: BaseException | None = None, facts: ErrorFacts | None = None) -> None:
        """The statement is over.

        Args:
            error: What the driver raised, cancellations included.
            facts: What is known better than the exception says it.
        """
        if error is not None:
            fail(self.span, error, facts)
        self.span.end()


class Silence:
    """A context manager within which instrumentations make no spans.

    ``suppress_instrumentation()`` of the API takes five times as long to set the same key.
    """

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token = context.attach(context.set_value("suppress_instrumentation", True))

    def __exit__(self, *_: object) -> None:
        context.detach(self._token)


class Driver:
    """Makes the spans that contrib's instrumentation of one driver does not make.

    Args:
        name: The driver's name, the last part of the spans' scope.
        system: ``db.system.name``.
        pipeline: Counts our failures, and connections that could not be made.
    """

    def __init__(self, name: str, system: str, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._system = system
        self._tracer = trace.get_tracer(OWN_PREFIX + name, __version__)

    def statement(self, text: Callable[[], str], server: Callable[[], Attributes], batch: int = 1) -> Statement:
        """Begin a statement.

        Args:
            text: Gives the statement as it is sent; it may raise.
            server: Gives ``db.namespace``, ``server.address`` and ``server.port``, as far as known; it may raise.
            batch: How many operations the statement stands for.
        """
        try:
            attributes = {names.DB_SYSTEM_NAME: self._system, **server(), names.DB_QUERY_TEXT: text()}
            if batch > 1:
                attributes[names.DB_OPERATION_BATCH_SIZE] = batch
        except Exception as error:  # noqa: BLE001 - the driver will say itself what is wrong with the statement
            self._pipeline.guard.failed("statement", error)
            attributes = {names.DB_SYSTEM_NAME: self._system, names.DB_QUERY_TEXT: ""}
        return Statement(self._tracer.start_span(self._system, kind=SpanKind.CLIENT, attributes=attributes))

    def step_failed(self, step: str, error: BaseException, start_ns: int, server: Callable[[], Attributes]) -> None:
        """Record a step that is no statement and says something only where it fails: a span, and one error.

        Args:
            step: ``CONNECT`` or ``COMMIT``.
            error: What the driver raised.
            start_ns: When the attempt began, nanoseconds since the epoch.
            server: Likewise as for :meth:`statement`.
        """
        try:
            attributes = {names.DB_SYSTEM_NAME: self._system, **server()}
            span = self._tracer.start_span(
                step.lower(), kind=SpanKind.CLIENT, attributes=attributes, start_time=start_ns
            )
            self.say_step_failed(step, span, error, str(attributes.get(names.DB_NAMESPACE, "")))
            fail(span, error)
            span.end()
        except Exception as failure:  # noqa: BLE001 - the application is about to handle its own error
            self._pipeline.guard.failed("step", failure)

    def say_step_failed(self, step: str, span: Span, error: BaseException, namespace: str) -> None:
        """Count a step that failed, and say why on the span that there is for it."""
        facts = error_facts(error)
        span.set_attribute(names.ERROR_TYPE, facts.exception or facts.status_code)
        if facts.status_code:
            span.set_attribute(names.DB_RESPONSE_STATUS_CODE, facts.status_code)
        self._pipeline.step_failed(step, facts, namespace)


def fail(span: Span, error: BaseException, facts: ErrorFacts | None = None) -> None:
    """Mark an open span as failed; the message is made safe when the span ends. Never raises."""
    if not span.is_recording():
        return
    message = _message(error)
    runtime = current()
    if runtime is not None:
        runtime.log_processor.remember(message)
    remember_error(span, facts or error_facts(error))
    span.set_status(Status(StatusCode.ERROR, message))


def _message(error: BaseException) -> str:
    if len(error.args) == 2 and isinstance(error.args[0], int) and isinstance(error.args[1], str):
        # MySQL's drivers would print the pair of number and message.
        return error.args[1]
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception that can't say what it is about
        return ""


def server_attributes(database: object, host: object, port: object) -> Attributes:
    """The attributes of the database server, without what is not known."""
    known = {
        names.DB_NAMESPACE: str(database or ""),
        names.SERVER_ADDRESS: str(host or ""),
        names.SERVER_PORT: int(str(port)) if str(port).isdecimal() else 0,
    }
    return {key: value for key, value in known.items() if value}


def batch_size(parameters: object) -> int:
    """How many operations these parameters of an ``executemany`` stand for; 1 where only running it would tell."""
    return len(parameters) if hasattr(parameters, "__len__") else 1
