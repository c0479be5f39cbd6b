"""Records the queries of one test after the other, and says which of them repeat row by row."""

from __future__ import annotations

import os
from collections import Counter
from typing import NamedTuple

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from otel_dbmon import sdk
from otel_dbmon.runtime import current
from otel_dbmon_processors.finding import N_PLUS_ONE, Finding
from otel_dbmon_processors.location import Location, locate
from otel_dbmon_processors.pipeline import Pipeline
from otel_dbmon_semconv import attributes as names

#: Nothing is exported from a test unless the environment asks for it.
_NO_EXPORT = ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")
_MOST_LISTED = 30


class NPlusOneWarning(pytest.PytestWarning):
    """Queries of a test repeat row by row."""


class Query(NamedTuple):
    """One statement that a test sent.

    Attributes:
        text: The statement without its literals.
        summary: Operations and tables, ``SELECT orders``.
        duration_ms: How long it took.
        location: The line of the application, or of the test, that sent it; None if there is none.
        fingerprint: Equal for statements that differ only in values.
    """

    text: str
    summary: str
    duration_ms: float
    location: Location | None
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.text}    [{self.location}]" if self.location is not None else self.text


class Recorder(SpanProcessor):
    """The queries since the test began, from all threads. Transactions and connections are no queries.

    Args:
        pipeline: Finds what repeats.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._queries: list[Query] = []
        self._findings: list[Finding] = []
        pipeline.subscribe(self._found)

    @property
    def queries(self) -> list[Query]:
        """What was sent so far, in the order in which it ended."""
        return list(self._queries)

    def begin(self) -> None:
        """Start from nothing: what ran before belongs to another test, or to its preparation."""
        self._queries.clear()
        self._findings.clear()
        self._pipeline.loops.reset()

    def assert_max_queries(self, most: int) -> None:
        """Fail, and list them, if there were more queries than this so far."""
        __tracebackhide__ = True
        queries = self.queries
        if len(queries) > most:
            counts = Counter(str(query) for query in queries)
            listed = [f"  {count} x {query}" for query, count in list(counts.items())[:_MOST_LISTED]]
            rest = len(counts) - len(listed)
            more = [f"  and {rest} others"] if rest else []
            raise AssertionError("\n".join([f"{len(queries)} queries, at most {most} allowed:", *listed, *more]))

    def n_plus_ones(self) -> str:
        """What was found to repeat row by row, for a person to read; "" if nothing was."""
        return "\n\n".join(map(self._story, self._findings))

    def on_end(self, span: ReadableSpan) -> None:
        """Take the statement of a span that was made safe already."""
        attributes = span.attributes or {}
        if names.DBMON_QUERY_FINGERPRINT not in attributes or attributes.get(names.DBMON_QUERY_TYPE) == "transaction":
            return
        self._queries.append(
            Query(
                str(attributes.get(names.DB_QUERY_TEXT, "")),
                span.name,
                ((span.end_time or 0) - (span.start_time or 0)) / 1e6,
                locate().location,
                str(attributes[names.DBMON_QUERY_FINGERPRINT]),
            )
        )

    def _found(self, finding: Finding) -> None:
        if finding.kind == N_PLUS_ONE and all(known.analysis is not finding.analysis for known in self._findings):
            self._findings.append(finding)

    def _story(self, finding: Finding) -> str:
        analysis, source = finding.analysis, finding.source
        count = sum(query.fingerprint == analysis.fingerprint for query in self._queries)
        lines = [f"N+1: {analysis.table or 'a query'} was queried {count} times, row by row"]
        if finding.location is not None:
            lines.append(f"  at {finding.location} in {finding.location.function}")
        if source is not None:
            lines.append(f"  first {source.sanitized}")
        lines.append(f"  then  {analysis.sanitized}")
        lines += [f"  {advice.remedy}" for advice in finding.advice[:1]]
        return "\n".join(lines)


_recorder: Recorder | None = None


def recorder() -> Recorder:
    """The recorder of this process; the first call turns otel-dbmon on, without exporters, if nobody has."""
    global _recorder
    if _recorder is None:
        _instrument()
        runtime = current()
        provider = sdk.unwrapped(trace.get_tracer_provider(), TracerProvider)
        if runtime is None or provider is None:
            raise pytest.UsageError("otel-dbmon is switched off here: OTEL_DBMON_ENABLED or OTEL_SDK_DISABLED")
        _recorder = Recorder(runtime.pipeline)
        provider.add_span_processor(_recorder)
    return _recorder


def _instrument() -> None:
    from otel_dbmon import instrument

    missing = [name for name in _NO_EXPORT if name not in os.environ]
    os.environ.update(dict.fromkeys(missing, "none"))
    try:
        # Nothing is left to export at the end, and pytest's own end is not ours to change.
        instrument(prometheus=False, shutdown_timeout=0)
    finally:
        for name in missing:
            os.environ.pop(name, None)
