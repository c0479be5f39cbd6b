"""Makes Sentry's events from findings, and from a request's statements what its errors say of the database."""

from __future__ import annotations

from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_dbmon import sdk
from otel_dbmon.pools import Pools
from otel_dbmon.sentry.sender import Told
from otel_dbmon_processors.analysis import Analysis
from otel_dbmon_processors.finding import N_PLUS_ONE, PLAN_CHANGED, SLOW_QUERY, Finding
from otel_dbmon_processors.observation import Origin
from otel_dbmon_processors.requests import Request, Story

_LOGGER = "otel_dbmon"
_MILLISECOND = 1_000_000


class Events:
    """Knows what an event says beside the finding: the pool's usage, the service's name.

    Args:
        pools: The pools of the process.
        query_text: Whether sanitized statements leave (``OTEL_DBMON_QUERY_TEXT``); without, it is their summary.
    """

    def __init__(self, pools: Pools, query_text: bool) -> None:
        self._pools = pools
        self._query_text = query_text

    def told(self, finding: Finding) -> Told:
        """What is to be kept of a finding at the moment of it: a pool's usage is another one later."""
        return Told(
            (finding.kind, finding.analysis.fingerprint),
            # One that somebody can look up is worth more than a slower one whose trace is nowhere.
            (finding.sampled, finding.count, finding.duration_ns),
            finding,
            self._usage(finding.origin),
        )

    def event_of(self, told: Told, suppressed: int) -> dict[str, Any]:
        """The event about a finding.

        Args:
            told: The finding.
            suppressed: How many others of its kind and pattern it stands for.
        """
        finding: Finding = told.finding
        analysis = finding.analysis
        duration_ms = round(finding.duration_ns / _MILLISECOND)
        database = {
            "query": self._text(analysis),
            "duration_ms": duration_ms,
            "connection_pool_usage": told.usage,
            "analysis": _explanation(finding),
            "plan": _plan(finding),
        }
        event = {
            "message": _message(finding, duration_ms),
            "level": "warning",
            "logger": _LOGGER,
            "platform": "python",
            "timestamp": (finding.start_ns + finding.duration_ns) / 1e9,
            "tags": {
                "service": service_name(),
                "query_type": analysis.query_type,
                "complexity": analysis.complexity,
            },
            "fingerprint": ["otel-dbmon", finding.kind, analysis.fingerprint],
            "contexts": {
                "database": {key: value for key, value in database.items() if value != ""},
                "finding": _details(finding, suppressed),
            },
        }
        if finding.trace_id:
            event["contexts"]["trace"] = _trace(finding)  # type: ignore[index]
        return event

    def database_of(self, request: Request) -> dict[str, Any] | None:
        """What an error says of the database: its request's failed or slowest statement; None if it sent none."""
        story = request.story
        if story is None:
            return None
        count, _ = request.totals()
        return self.database_of_story(story, count)

    def database_of_story(self, story: Story, count: int) -> dict[str, Any]:
        """Likewise, for a statement alone.

        Args:
            story: The statement.
            count: How many the request has sent so far.
        """
        database: dict[str, Any] = {
            "query": self._text(story.analysis),
            "duration_ms": round(story.duration_ns / _MILLISECOND, 3),
            "connection_pool_usage": self._usage(story.origin),
            "analysis": story.analysis.explanation,
            "queries": count,
        }
        if story.error is not None:
            database["error_type"] = story.error.type
            database["sqlstate"] = story.error.status_code
        return {key: value for key, value in database.items() if value != ""}

    def _text(self, analysis: Analysis) -> str:
        return analysis.sanitized if self._query_text else analysis.summary

    def _usage(self, origin: Origin) -> str:
        usage = self._pools.usage(origin.namespace, origin.server_address, origin.server_port)
        return "" if usage is None else f"{usage:.0%}"


def service_name() -> str:
    """``service.name`` as the traces have it."""
    provider = sdk.unwrapped(trace.get_tracer_provider(), TracerProvider)
    return str(provider.resource.attributes.get("service.name", "")) if provider is not None else ""


def _message(finding: Finding, duration_ms: int) -> str:
    analysis = finding.analysis
    if finding.kind == SLOW_QUERY:
        return f"Slow query detected: {analysis.operation or 'statement'} ({duration_ms}ms)"
    if finding.kind == PLAN_CHANGED:
        return f"Query plan changed: {analysis.summary or 'statement'}"
    what = "N+1 query" if finding.kind == N_PLUS_ONE else "Duplicate query"
    return f"{what} detected: {analysis.summary or 'statement'} ({finding.count} times, {duration_ms}ms)"


def _explanation(finding: Finding) -> str:
    explanation = finding.analysis.explanation
    if finding.kind == SLOW_QUERY:
        return explanation
    if finding.kind == PLAN_CHANGED:
        return f"{explanation}; {finding.change}"
    after = f" after {finding.source.summary}" if finding.source is not None and finding.source.summary else ""
    same = "the same statement" if finding.kind != N_PLUS_ONE else "the statement"
    return f"{explanation}; {same} was repeated {finding.count} times{after}"


def _plan(finding: Finding) -> str:
    plan = finding.plan.plan if finding.plan is not None else None
    return plan.text if plan is not None else ""


def _details(finding: Finding, suppressed: int) -> dict[str, Any]:
    """What the specification has no place for, so it has a context of its own."""
    details: dict[str, Any] = {"kind": finding.kind, "count": finding.count, "suppressed": suppressed}
    if finding.location is not None:
        details["location"] = str(finding.location)
        details["function"] = finding.location.function
    if finding.advice:
        details["advice"] = [f"{each.seen} {each.cost} {each.remedy}" for each in finding.advice]
    if finding.plan is not None and finding.plan.missing:
        details["plan_missing"] = finding.plan.missing
    if finding.plan is not None and finding.plan.plan is not None:
        details["plan_hash"] = finding.plan.plan.hash
        details["plan_cost"] = finding.plan.plan.cost
    if finding.before is not None:
        details["previous_plan"] = finding.before.text
        details["previous_plan_cost"] = finding.before.cost
    return {key: value for key, value in details.items() if value is not None}


def _trace(finding: Finding) -> dict[str, str]:
    ids = {"trace_id": trace.format_trace_id(finding.trace_id), "span_id": trace.format_span_id(finding.span_id)}
    if finding.parent_id:
        ids["parent_span_id"] = trace.format_span_id(finding.parent_id)
    return {**ids, "op": "db"}
