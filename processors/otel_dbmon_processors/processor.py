"""Takes every ending span, once: a statement goes through the pipeline, any span loses the values it must not carry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanKind

from otel_dbmon_processors import span as spans
from otel_dbmon_processors.analysis import Analysis
from otel_dbmon_processors.observation import ErrorFacts, Observation, Origin
from otel_dbmon_processors.pipeline import Pipeline
from otel_dbmon_processors.points import NANOSECONDS
from otel_dbmon_processors.repeats import Repeats, Rewritten
from otel_dbmon_semconv import attributes as names

#: Systems whose statements are not SQL: there is nothing we could sanitize or count.
_NOT_SQL = frozenset(
    {
        "couchbase", "couchdb", "azure.cosmosdb", "cosmosdb", "aws.dynamodb", "dynamodb", "elasticsearch", "geode",
        "hbase", "influxdb", "instantdb", "memcached", "mongodb", "neo4j", "opensearch", "redis",
    }
)  # fmt: skip
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
        self._found: dict[tuple[Analysis, Origin], dict[str, Any]] = {}
        self._repeats = Repeats(pipeline.config.cache_size)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Learn which request the span belongs to; instrumentations set attributes after the start."""
        try:
            # A client's span is no part of a request that others could be below, and a script's statement no request.
            if spans.kind_of(span) is SpanKind.CLIENT:
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
            known = self._repeats.find(attributes)
            if known is not None and spans.is_ordinary(span):
                self._process_repeat(span, known)
                return
            shape = self._shapes[tuple(attributes)]
            if shape.text:
                self._process_statement(span, attributes, shape)
            if spans.kind_of(span) is not SpanKind.CLIENT:
                self._end_request(span)
            if spans.needs_cleaning(span, shape):
                spans.clean(span, shape, self._shapes, self._config.redact_urls)
        except Exception as error:  # noqa: BLE001 - nothing of ours may reach the service
            self._pipeline.guard.failed("span", error)
            self._blank(span)

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
        count, duration_ns = request.totals()
        if count or span.kind in _REQUEST_KINDS:
            spans.add(span, {names.DBMON_DB_QUERY_COUNT: count, names.DBMON_DB_DURATION: duration_ns / NANOSECONDS})

    def _process_repeat(self, span: ReadableSpan, known: Rewritten) -> None:
        observation = spans.observation_of(span, known.statement, known.origin)
        trouble = self._pipeline.count(observation, known.analysis)
        self._add_to_request(observation)
        spans.replace(span, known.name, {**known.attributes, **trouble} if trouble else known.attributes)

    def _process_statement(self, span: ReadableSpan, attributes: Mapping[str, Any], shape: spans.Shape) -> None:
        statement, origin = spans.statement_of(attributes, shape), shape.origin(attributes)
        if origin.system in _NOT_SQL:
            kept = statement if _MASKED_COMMAND.fullmatch(statement) else ""
            spans.replace(span, span.name, spans.rewritten(span, attributes, shape, kept, {}))
            return
        observation = spans.observation_of(span, statement, origin, spans.error_of(span, attributes, shape))
        analysis, trouble = self._pipeline.observe(observation)
        self._add_to_request(observation)
        text = analysis.sanitized if self._config.query_text else ""
        found = self._found.get((analysis, origin)) or self._find(analysis, origin)
        if observation.error is not None:
            trouble = {**trouble, **_failure(observation.error)}
        if trouble:
            found = {**found, **trouble}
        name = analysis.summary or origin.system or "database"
        made = spans.rewritten(span, attributes, shape, text, found)
        spans.replace(span, name, made)
        if not trouble:
            self._repeats.remember(attributes, Rewritten(statement, origin, analysis, name, made))

    def _add_to_request(self, observation: Observation) -> None:
        request = self._requests.find(observation.parent_id)
        if request is not None:
            request.add(observation.start_ns, observation.start_ns + observation.duration_ns)

    def _find(self, analysis: Analysis, origin: Origin) -> dict[str, Any]:
        found = {
            names.DB_SYSTEM_NAME: origin.system,
            names.DB_QUERY_SUMMARY: analysis.summary,
            names.DBMON_QUERY_OPERATION: analysis.operation,
            names.DBMON_QUERY_COLLECTION: analysis.table,
            names.DBMON_QUERY_TYPE: analysis.query_type,
            names.DBMON_QUERY_COMPLEXITY: analysis.complexity,
            names.DBMON_QUERY_FINGERPRINT: analysis.fingerprint,
        }
        found = {key: value for key, value in found.items() if value}
        if len(self._found) >= self._config.cache_size:
            self._found.clear()
        self._found[analysis, origin] = found
        return found


def _failure(error: ErrorFacts) -> dict[str, Any]:
    """What only a failed statement's span says."""
    found = {names.ERROR_TYPE: error.exception or error.status_code or "_OTHER"}
    if error.status_code:
        found[names.DB_RESPONSE_STATUS_CODE] = error.status_code
    return found
