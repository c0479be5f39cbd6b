"""Takes received spans and answers what was seen: calls, percentiles and errors of each kind of statement."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

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


class Found(NamedTuple):
    """What was found about statements at one line of the application.

    Attributes:
        kind: ``slow`` or ``N+1``.
        summary: ``db.query.summary``.
        place: File and line.
        function: The function that the line is in.
    """

    kind: str
    summary: str
    place: str
    function: str


class Figures:
    """Counts the statements in every request it is given, and what was found about them."""

    def __init__(self) -> None:
        #: How often each thing was found.
        self.found: Counter[Found] = Counter()
        #: The durations of each ``db.query.text``, in milliseconds: statements of one kind need not be the same.
        self.durations_ms: dict[str, list[float]] = {}
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
                self._add_found(span, attributes)

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
        duration_ms = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
        statement.durations_ms.append(duration_ms)
        if text := attributes.get(names.DB_QUERY_TEXT):
            statement.text = text
            self.durations_ms.setdefault(text, []).append(duration_ms)
        statement.errors += span.status.code == Status.STATUS_CODE_ERROR
        self._calls += 1

    def _add_found(self, span: Span, attributes: dict[str, str]) -> None:
        path = attributes.get(names.CODE_FILE_PATH)
        if path is None:
            return
        line = next(found.value.int_value for found in span.attributes if found.key == names.CODE_LINE_NUMBER)
        for kind, name in (("slow", names.DBMON_SLOW), ("N+1", names.DBMON_N_PLUS_ONE)):
            if _is_true(span, name):
                summary, function = attributes.get(names.DB_QUERY_SUMMARY, ""), attributes[names.CODE_FUNCTION_NAME]
                self.found[Found(kind, summary, f"{path}:{line}", function)] += 1


def _is_true(span: Span, name: str) -> bool:
    return any(attribute.key == name and attribute.value.bool_value for attribute in span.attributes)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is at least as large as this share of all values (nearest rank); NaN without values."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans
