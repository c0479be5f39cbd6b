"""Takes received spans and answers what was seen: calls, percentiles and errors of each kind of statement."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from otel_dbmon_semconv import attributes as names


@dataclass
class Statement:
    """All calls of one kind of statement.

    Attributes:
        summary: ``db.query.summary``.
        query_type: ``dbmon.query.type``.
        complexity: ``dbmon.query.complexity``.
        text: ``db.query.text`` of the newest call.
        durations_ms: One duration for each call, in milliseconds.
        errors: How many calls failed.
    """

    summary: str
    query_type: str
    complexity: str
    text: str = ""
    durations_ms: list[float] = field(default_factory=list)
    errors: int = 0

    @property
    def calls(self) -> int:
        """How often it ran."""
        return len(self.durations_ms)

    def percentile(self, share: float) -> float:
        """The duration in milliseconds that this share (0 to 1) of all calls did not exceed."""
        return percentile(self.durations_ms, share)


class Figures:
    """Counts the statements in every request it is given."""

    def __init__(self) -> None:
        self._statements: dict[tuple[str, str, str], Statement] = {}
        self._calls = 0

    @property
    def calls(self) -> int:
        """How many statements ran in all."""
        return self._calls

    def add(self, request: ExportTraceServiceRequest) -> None:
        """Count the statements among the spans of one request."""
        for span in _spans(request):
            attributes = {attribute.key: attribute.value.string_value for attribute in span.attributes}
            if names.DB_QUERY_TEXT in attributes or names.DBMON_QUERY_FINGERPRINT in attributes:
                self._add(span, attributes)

    def statements(self) -> list[Statement]:
        """Every kind of statement, those that took the most time in all first."""
        return sorted(self._statements.values(), key=lambda statement: -sum(statement.durations_ms))

    def _add(self, span: Span, attributes: dict[str, str]) -> None:
        key = (
            attributes.get(names.DB_QUERY_SUMMARY, span.name),
            attributes.get(names.DBMON_QUERY_TYPE, ""),
            attributes.get(names.DBMON_QUERY_COMPLEXITY, ""),
        )
        statement = self._statements.get(key)
        if statement is None:
            statement = self._statements[key] = Statement(*key)
        statement.text = attributes.get(names.DB_QUERY_TEXT, statement.text)
        statement.durations_ms.append((span.end_time_unix_nano - span.start_time_unix_nano) / 1e6)
        statement.errors += span.status.code == Status.STATUS_CODE_ERROR
        self._calls += 1


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is at least as large as this share of all values (nearest rank); NaN without values."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans
