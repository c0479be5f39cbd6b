"""Takes every ending span, once: a statement goes through the pipeline, any span loses the values it must not carry."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanKind

from otel_dbmon_processors import span as spans
from otel_dbmon_processors.analysis import Analysis
from otel_dbmon_processors.observation import ErrorFacts
from otel_dbmon_processors.pipeline import Pipeline
from otel_dbmon_processors.points import NANOSECONDS
from otel_dbmon_semconv import attributes as names

#: Systems whose statements are not SQL: there is nothing we could sanitize or count.
_NOT_SQL = frozenset(
    {
        "couchbase", "couchdb", "azure.cosmosdb", "cosmosdb", "aws.dynamodb", "dynamodb", "elasticsearch", "geode",
        "hbase", "influxdb", "instantdb", "memcached", "mongodb", "neo4j", "opensearch", "redis",
    }
)  # fmt: skip
# Members of an enumeration are found by a search each time.
_CLIENT = SpanKind.CLIENT
#: Local roots that are requests even if they sent no statement; any other root is one if it did.
_REQUEST_KINDS = frozenset({SpanKind.SERVER, SpanKind.CONSUMER})
#: What redis' own instrumentation leaves of a command: "SET ? ?".
_MASKED_COMMAND = re.compile(r"[A-Z]+(?: \?)*")


class DatabaseSpanProcessor(SpanProcessor):
    """Observes and rewrites spans before any exporter sees them.

    The rewriting happens in ``_on_ending``, which the SDK calls on every processor before any ``on_end``; where a
    vendor's wrapper swallows that call, ``on_end`` does the same to the read-only span that all processors share.
    No method raises: a span whose rewriting fails is exported without any text.

    Args:
        pipeline: Where statements go.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._config = pipeline.config
        self._requests = pipeline.requests
        self._shapes = spans.Shapes()
        self._sees_endings = False
        self._rewritten = 0

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Learn which request the span belongs to; instrumentations set attributes after the start."""
        try:
            # A client's span is no part of a request that others could be below, and a script's statement no request.
            if spans.kind_of(span) is _CLIENT:
                return
            parent_id = spans.local_parent_id(span)
            if parent_id:
                self._requests.join(spans.id_of(span), parent_id)
            else:
                self._requests.begin(spans.id_of(span))
        except Exception as error:  # noqa: BLE001 - nothing of ours may reach the service
            self._pipeline.guard.failed("request", error)

    def _on_ending(self, span: Span) -> None:
        self._sees_endings = True
        self._process(span)

    def on_end(self, span: ReadableSpan) -> None:
        """Do it here where a vendor's wrapper swallows ``_on_ending``, which it does always or never."""
        if not self._sees_endings:
            self._process(span)

    def shutdown(self) -> None:
        """Nothing to end: metrics are collected by readers, spans are exported by others."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held back."""
        return True

    def _process(self, span: ReadableSpan) -> None:
        try:
            attributes = spans.attributes_of(span)
            shape = self._shapes[tuple(attributes)]
            if shape.text:
                is_bare = self._process_statement(span, attributes, shape)
            else:
                is_bare = False
                self._process_work(span, attributes, shape)
            if not is_bare or shape.is_unsafe:
                self._process_rest(span, shape)
        except Exception as error:  # noqa: BLE001 - nothing of ours may reach the service
            self._pipeline.guard.failed("span", error)
            self._blank(span)

    def _process_rest(self, span: ReadableSpan, shape: spans.Shape) -> None:
        if spans.kind_of(span) is not _CLIENT:
            self._end_request(span)
        if spans.needs_cleaning(span, shape):
            spans.clean(span, shape, self._shapes, self._config.redact_urls)

    def _blank(self, span: ReadableSpan) -> None:
        try:
            spans.blank(span)
        except Exception as error:  # noqa: BLE001 - see above
            self._pipeline.guard.failed("blank", error)

    def _end_request(self, span: ReadableSpan) -> None:
        span_id = spans.id_of(span)
        request = self._requests.end(span_id)
        if request is None or request.root_id != span_id:
            return
        if self._requests.tells_stories:
            self._requests.keep(spans.trace_of(span), request, sys.exc_info()[1])
        count, duration_ns = request.totals()
        if count or span.kind in _REQUEST_KINDS:
            found = {names.DBMON_DB_QUERY_COUNT: count, names.DBMON_DB_DURATION: duration_ns / NANOSECONDS}
            if request.n_plus_ones:
                found[names.DBMON_DB_N_PLUS_ONE_COUNT] = request.n_plus_ones
            spans.add(span, found)

    def _process_work(self, span: ReadableSpan, attributes: Mapping[str, Any], shape: spans.Shape) -> None:
        # A database's span without a statement is about a connection.
        is_upkeep = bool(shape.system) and shape.origin(attributes).system not in _NOT_SQL
        self._pipeline.worked(spans.id_of(span), spans.parent_id_of(span), is_upkeep)

    def _process_statement(self, span: ReadableSpan, attributes: Mapping[str, Any], shape: spans.Shape) -> bool:
        """Count the statement and rewrite its span; whether nothing else on that could hold a value."""
        try:
            place = shape.places.get(shape.others(attributes)) or shape.new_place(attributes)
        except TypeError:  # a value that can't be a key
            place = shape.new_place(attributes)
        origin = place.origin
        statement = attributes[shape.text]
        if type(statement) is not str:
            statement = spans.text_of(statement)
        if origin.system in _NOT_SQL:
            kept = statement if _MASKED_COMMAND.fullmatch(statement) else ""
            self._pipeline.worked(spans.id_of(span), spans.parent_id_of(span))
            return spans.replace(span, span.name, spans.rewritten(span, attributes, shape, kept, {}))
        observation = spans.observation_of(span, statement, origin, attributes, shape)
        analysis, trouble = self._pipeline.observe(observation, span)
        name, made = place.rewritten.get(analysis) or self._rewrite(span, attributes, shape, place, analysis)
        error = observation.error
        if error is not None:
            trouble = {**trouble, **_failure(error)}
        return spans.replace(span, name, {**made, **trouble} if trouble else made)

    def _rewrite(
        self,
        span: ReadableSpan,
        attributes: Mapping[str, Any],
        shape: spans.Shape,
        place: spans.Place,
        analysis: Analysis,
    ) -> spans.Rewritten:
        """What spans of this place become when their statements have this analysis; remembered."""
        system = place.origin.system
        text = analysis.sanitized if self._config.query_text else ""
        made = spans.rewritten(span, attributes, shape, text, _found(analysis, system))
        self._rewritten += 1
        if self._rewritten > self._config.cache_size:
            self._rewritten = 0
            self._shapes.forget_places()
        rewritten = place.rewritten[analysis] = spans.Rewritten(analysis.summary or system or "database", made)
        return rewritten


def _found(analysis: Analysis, system: str) -> dict[str, Any]:
    """What a statement's span says that was not on it before."""
    found = {
        names.DB_SYSTEM_NAME: system,
        names.DB_QUERY_SUMMARY: analysis.summary,
        names.DBMON_QUERY_OPERATION: analysis.operation,
        names.DBMON_QUERY_COLLECTION: analysis.table,
        names.DBMON_QUERY_TYPE: analysis.query_type,
        names.DBMON_QUERY_COMPLEXITY: analysis.complexity,
        names.DBMON_QUERY_FINGERPRINT: analysis.fingerprint,
    }
    return {key: value for key, value in found.items() if value}


def _failure(error: ErrorFacts) -> dict[str, Any]:
    """What only a failed statement's span says."""
    found = {names.ERROR_TYPE: error.exception or error.status_code or "_OTHER"}
    if error.status_code:
        found[names.DB_RESPONSE_STATUS_CODE] = error.status_code
    return found
