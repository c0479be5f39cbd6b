"""What a detector has found about a statement: comes out of the pipeline, goes to whoever subscribed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from otel_dbmon_processors.analysis import Analysis
from otel_dbmon_processors.location import Location
from otel_dbmon_processors.observation import Origin
from otel_dbmon_processors.plan import PendingPlan, Plan

#: The kinds of findings.
SLOW_QUERY, N_PLUS_ONE, DUPLICATE_QUERY = "slow_query", "n_plus_one", "duplicate_query"
PLAN_CHANGED = "plan_changed"
KINDS = (SLOW_QUERY, N_PLUS_ONE, DUPLICATE_QUERY, PLAN_CHANGED)


class Advice(NamedTuple):
    """Something about a statement that its text proves, in plain words and without any value.

    Attributes:
        topic: What it is about, one of ``advice.TOPICS``.
        seen: What was seen.
        cost: What that costs.
        remedy: What to try.
    """

    topic: str
    seen: str
    cost: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found, about one statement or about its repeats.

    Attributes:
        kind: One of ``KINDS``.
        analysis: What the statement says; holds no value.
        origin: Where it was sent.
        count: How many runs of the statement the finding is about: 1 if it is slow, else the repeats so far.
        duration_ns: How long it ran; for repeats the time in which at least one of them was running.
        start_ns: When the first of these runs started, nanoseconds since the epoch.
        trace_id: The trace of the run that the finding was made at, 0 without one.
        span_id: The span of that run, which carries the finding's attributes.
        parent_id: The parent of that span, 0 without one.
        sampled: Whether the span is exported.
        request_id: The span of the request that the run belongs to (the local root), 0 if there is none.
        location: The line of the application that ran it, None if there is none.
        advice: What else the text proves, most telling first.
        alert: Whether somebody should be told now: always for a slow query; for repeats when they took long enough.
        source: The statement before the repeats, None if it is not about repeats or there is none.
        plan: How the database runs it, or will say later; None where nobody asks.
        before: The plan that another one has taken the place of, None if it is not about that.
        change: What that changed, in words.
    """

    kind: str
    analysis: Analysis
    origin: Origin
    count: int
    duration_ns: int
    start_ns: int
    trace_id: int = 0
    span_id: int = 0
    parent_id: int = 0
    sampled: bool = False
    request_id: int = 0
    location: Location | None = None
    advice: tuple[Advice, ...] = ()
    alert: bool = True
    source: Analysis | None = None
    plan: PendingPlan | None = None
    before: Plan | None = None
    change: str = ""

    @property
    def message(self) -> str:
        """One line about it."""
        took = f"{self.duration_ns / 1e6:.0f}ms"
        if self.kind == SLOW_QUERY:
            return f"Slow query detected: {self.analysis.operation or 'statement'} ({took})"
        if self.kind == PLAN_CHANGED:
            return f"Query plan changed: {self.analysis.summary or 'statement'}: {self.change}"
        what = "N+1 queries" if self.kind == N_PLUS_ONE else "Duplicate queries"
        return f"{what} detected: {self.analysis.summary} ({self.count} times, {took})"
