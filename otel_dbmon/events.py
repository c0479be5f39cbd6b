"""Takes findings and emits each as an OpenTelemetry log event that names its span, so that logs and traces point at
one another. Bounded: a service with a thousand slow queries a second logs a few, and counts the others as dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from otel_dbmon import __version__
from otel_dbmon_processors.finding import Finding
from otel_dbmon_processors.guard import Guard
from otel_dbmon_semconv import attributes as names

if TYPE_CHECKING:
    from opentelemetry._logs import Logger, LoggerProvider

#: Most events in a minute, of one kind and pattern, and of all.
_MOST_OF_ONE, _MOST = 6, 120
_PERIOD_S = 60.0


class FindingEvents:
    """Emits findings as events of the logger provider, once there is one. Thread safe.

    Args:
        guard: Counts what the bounds dropped.
        with_text: Whether the sanitized statement may leave.
        clock: Seconds, for the bounds.
    """

    def __init__(self, guard: Guard, with_text: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._guard = guard
        self._with_text = with_text
        self._clock = clock
        self._logger: Logger | None = None
        self._begun = clock()
        self._counts: dict[tuple[str, str], int] = {}
        self._count = 0

    def attach(self, provider: LoggerProvider) -> None:
        """Emit to this provider from now on; the first one stays."""
        if self._logger is None:
            self._logger = provider.get_logger("otel_dbmon", __version__)

    def tell(self, finding: Finding) -> None:
        """Emit one finding, once it is known what its plan is; nothing happens where nobody collects logs."""
        logger = self._logger
        if logger is None:
            return
        if not self._may_emit(finding):
            self._guard.drop("events")
            return
        now_ns = time.time_ns()
        if finding.plan is None:
            self._emit(logger, finding, now_ns)
        else:
            finding.plan.then(lambda: self._emit_late(logger, finding, now_ns))

    def _emit_late(self, logger: Logger, finding: Finding, now_ns: int) -> None:
        try:
            self._emit(logger, finding, now_ns)
        except Exception as error:  # noqa: BLE001 - whoever settles a plan has others to tell
            self._guard.failed("events", error)

    def _emit(self, logger: Logger, finding: Finding, now_ns: int) -> None:
        from opentelemetry._logs import LogRecord, SeverityNumber

        severity = SeverityNumber.WARN if finding.alert else SeverityNumber.INFO
        logger.emit(
            LogRecord(
                timestamp=now_ns,
                context=_context_of(finding),
                severity_number=severity,
                severity_text=severity.name,
                body=finding.message,
                attributes=self._attributes_of(finding),
                event_name=f"dbmon.{finding.kind}",
            )
        )

    def _may_emit(self, finding: Finding) -> bool:
        now = self._clock()
        if now - self._begun >= _PERIOD_S:
            self._begun, self._count, self._counts = now, 0, {}
        key = (finding.kind, finding.analysis.fingerprint)
        if self._count >= _MOST or self._counts.get(key, 0) >= _MOST_OF_ONE:
            return False
        self._count += 1
        self._counts[key] = self._counts.get(key, 0) + 1
        return True

    def _attributes_of(self, finding: Finding) -> dict[str, Any]:
        analysis, origin, location = finding.analysis, finding.origin, finding.location
        attributes = {
            names.DBMON_FINDING_KIND: finding.kind,
            names.DBMON_FINDING_ALERT: finding.alert,
            names.DBMON_FINDING_COUNT: finding.count,
            names.DBMON_FINDING_DURATION: finding.duration_ns / 1e9,
            names.DBMON_FINDING_SOURCE: finding.source.summary if finding.source is not None else "",
            names.DBMON_FINDING_ADVICE: " ".join(f"{said.seen} {said.cost} {said.remedy}" for said in finding.advice),
            names.DB_QUERY_TEXT: analysis.sanitized if self._with_text else "",
            names.DB_QUERY_SUMMARY: analysis.summary,
            names.DB_SYSTEM_NAME: origin.system,
            names.DB_NAMESPACE: origin.namespace,
            names.DBMON_QUERY_COLLECTION: analysis.table,
            names.DBMON_QUERY_TYPE: analysis.query_type,
            names.DBMON_QUERY_COMPLEXITY: analysis.complexity,
            names.DBMON_QUERY_FINGERPRINT: analysis.fingerprint,
        }
        if location is not None:
            attributes[names.CODE_FILE_PATH] = location.path
            attributes[names.CODE_LINE_NUMBER] = location.line
            attributes[names.CODE_FUNCTION_NAME] = location.function
        attributes.update(_plan_of(finding))
        return {key: value for key, value in attributes.items() if value != ""}


def _plan_of(finding: Finding) -> dict[str, Any]:
    if finding.plan is None:
        return {}
    found: dict[str, Any] = {
        names.DBMON_QUERY_PLAN_MISSING: finding.plan.missing,
        names.DBMON_QUERY_PLAN_CHANGE: finding.change,
    }
    for plan, text, cost in (
        (finding.plan.plan, names.DBMON_QUERY_PLAN, names.DBMON_QUERY_PLAN_COST),
        (finding.before, names.DBMON_QUERY_PLAN_PREVIOUS, names.DBMON_QUERY_PLAN_PREVIOUS_COST),
    ):
        if plan is not None:
            found[text] = plan.text
            found[cost] = plan.cost if plan.cost is not None else ""
    if finding.plan.plan is not None:
        found[names.DBMON_QUERY_PLAN_HASH] = finding.plan.plan.hash
    return found


def _context_of(finding: Finding) -> Any:
    flags = TraceFlags(TraceFlags.SAMPLED if finding.sampled else TraceFlags.DEFAULT)
    return trace.set_span_in_context(
        NonRecordingSpan(SpanContext(finding.trace_id, finding.span_id, is_remote=False, trace_flags=flags))
    )
