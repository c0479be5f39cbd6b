"""Takes an observation through the stages, in order, and answers what they found out: the whole path on one page."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from otel_dbmon_processors import span as spans
from otel_dbmon_processors.aggregate import Aggregator
from otel_dbmon_processors.analysis import Analysis, Analyzer
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.finding import N_PLUS_ONE, SLOW_QUERY, Advice, Finding
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.location import Caller, locate
from otel_dbmon_processors.loops import Loop, Loops
from otel_dbmon_processors.observation import ErrorFacts, Observation
from otel_dbmon_processors.plan import PendingPlan
from otel_dbmon_processors.requests import Request, Requests
from otel_dbmon_semconv import attributes as names

if TYPE_CHECKING:
    from otel_dbmon_processors.advice import Adviser

Subscriber = Callable[[Finding], None]
#: A slow statement's finding and its text come in; the plan that it may get goes out, None if it gets none.
Explainer = Callable[[Finding, str], "PendingPlan | None"]
_NOTHING: Mapping[str, Any] = {}
_REPEATED: Mapping[str, Any] = {names.DBMON_N_PLUS_ONE: True}


class Pipeline:
    """Analyze, detect, aggregate. Thread safe; one instance serves a process.

    Args:
        config: Thresholds, caps and switches.
        guard: Counts failures and drops; a new one if not given.
        clock_ns: Nanoseconds since the epoch, for the start times of series and for pauses.
    """

    def __init__(self, config: Config, guard: Guard | None = None, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.config = config
        self.guard = guard if guard is not None else Guard()
        self.analyzer = Analyzer(config.cache_size, config.max_query_length, self.guard)
        self.aggregator = Aggregator(config, self.guard, clock_ns)
        self.requests = Requests(self.guard)
        self.loops = Loops(
            config.n_plus_one_threshold, config.n_plus_one_min_duration_ns, self.guard, clock_ns=clock_ns
        )
        #: Asks for the plans of slow statements, where somebody wants them.
        self.explain: Explainer | None = None
        self._subscribers: tuple[Subscriber, ...] = ()
        self._adviser: Adviser | None = None

    def subscribe(self, subscriber: Subscriber) -> None:
        """Be told of every finding, in the thread that ran the statement: hand it on, don't work on it there.

        What a subscriber raises is counted and reaches nobody. A fork keeps the subscribers.
        """
        self._subscribers = (*self._subscribers, subscriber)

    def observe(self, observation: Observation, span: object = None) -> tuple[Analysis, Mapping[str, Any]]:
        """Count one executed statement, exactly once.

        Args:
            observation: The statement's run.
            span: Its span, if there is one: it may know the parameters, and is marked if it turns out to be a repeat.

        Returns:
            Its analysis, and the attributes that only this run's span gets, for what was found about it; mostly none.
        """
        statement, origin, start_ns, duration_ns, _, _, _, parent_id, is_sampled = observation
        analysis = self.analyzer.analyze(statement, origin.system)
        slow = duration_ns >= self.config.slow_query_threshold_ns
        self.aggregator.record(observation, analysis, slow)
        request = self.requests.find(parent_id)
        if request is not None:
            request.add(start_ns, start_ns + duration_ns)
            if self.requests.tells_stories:
                request.tell(observation, analysis)
        try:
            loop = self.loops.see(analysis, statement, parent_id, start_ns, duration_ns, request, span, is_sampled)
        except Exception as error:  # noqa: BLE001 - the statement is counted and its span made safe all the same
            self.guard.failed("loops", error)
            loop = None
        if not slow and loop is None:
            return analysis, _NOTHING
        return analysis, self._found(observation, analysis, request, slow, loop, span)

    def worked(self, span_id: int, parent_id: int, is_upkeep: bool = False) -> None:
        """Learn of a span that is no statement and has ended: what it did stands between statements.

        Args:
            span_id: The span.
            parent_id: Its parent, 0 if it has none.
            is_upkeep: Whether it only kept a connection going.
        """
        self.loops.end(span_id)
        if not is_upkeep:
            self.loops.interrupt(parent_id)

    def _found(
        self,
        observation: Observation,
        analysis: Analysis,
        request: Request | None,
        slow: bool,
        loop: Loop | None,
        span: object,
    ) -> Mapping[str, Any]:
        attributes: dict[str, Any] = {names.DBMON_SLOW: True} if slow else {}
        if loop is not None and loop.kind == N_PLUS_ONE:
            attributes.update(_REPEATED)
        if not slow and (loop is None or not loop.is_told):
            return attributes
        caller = self._locate()
        location = caller.location
        finding = Finding(
            SLOW_QUERY,
            analysis,
            observation.origin,
            1,
            observation.duration_ns,
            observation.start_ns,
            observation.trace_id,
            observation.span_id,
            observation.parent_id,
            observation.sampled,
            request.root_id if request is not None else 0,
            location,
        )
        if slow:
            told = replace(finding, advice=self._advise(SLOW_QUERY, observation, analysis))
            self.tell(told if self.explain is None else replace(told, plan=self._explained(told, observation, span)))
        if loop is not None and loop.is_told:
            advice = self._advise(loop.kind, observation, analysis, loop, caller.loading)
            self._found_loop(replace(finding, advice=advice), request, loop)
        if location is not None:
            attributes[names.CODE_FILE_PATH] = location.path
            attributes[names.CODE_LINE_NUMBER] = location.line
            attributes[names.CODE_FUNCTION_NAME] = location.function
        return attributes

    def _found_loop(self, finding: Finding, request: Request | None, loop: Loop) -> None:
        if loop.kind == N_PLUS_ONE:
            for holder in loop.spans:
                spans.add_late(holder, _REPEATED)
            if loop.is_first:
                self.aggregator.count_n_plus_one(finding.analysis.table)
                if request is not None:
                    request.n_plus_ones += 1
        self.tell(
            replace(
                finding,
                kind=loop.kind,
                count=loop.repeats,
                duration_ns=loop.duration_ns,
                start_ns=loop.start_ns,
                alert=loop.is_alert,
                source=loop.source,
            )
        )

    def _locate(self) -> Caller:
        try:
            return locate()
        except Exception as error:  # noqa: BLE001 - what was found is worth telling without it
            self.guard.failed("location", error)
            return Caller()

    def _advise(
        self, kind: str, observation: Observation, analysis: Analysis, loop: Loop | None = None, loading: str = ""
    ) -> tuple[Advice, ...]:
        try:
            if self._adviser is None:
                # Most processes find nothing.
                from otel_dbmon_processors.advice import Adviser

                self._adviser = Adviser()
            return self._adviser.advise(
                kind,
                analysis,
                observation.statement,
                observation.origin.system,
                repeats=loop.repeats if loop is not None else 1,
                source=loop.source if loop is not None else None,
                loading=loading,
            )
        except Exception as error:  # noqa: BLE001 - see above
            self.guard.failed("advice", error)
            return ()

    def _explained(self, finding: Finding, observation: Observation, span: object) -> PendingPlan | None:
        try:
            if self.explain is None:
                return None
            _, limit = spans.kind_and_limit_of(span)
            is_whole = limit is None or len(observation.statement) < limit
            # What may have been cut off is another statement, if it is one.
            return self.explain(finding, observation.statement if is_whole else "")
        except Exception as error:  # noqa: BLE001 - see above
            self.guard.failed("explain", error)
            return None

    def tell(self, finding: Finding) -> None:
        """Tell every subscriber of a finding; never raises."""
        for subscriber in self._subscribers:
            try:
                subscriber(finding)
            except Exception as error:  # noqa: BLE001 - nothing of ours may reach the service
                self.guard.failed("subscriber", error)

    def step_failed(self, step: str, error: ErrorFacts, namespace: str) -> None:
        """Count an error that no statement stands for: a connection that could not be made, a commit that failed."""
        self.aggregator.count_error(step, error.type, namespace)

    def reset(self) -> None:
        """Start from zero: a forked child must not repeat what its parent counted."""
        self.guard.reset()
        self.analyzer.reset()
        self.aggregator.reset()
        self.requests.reset()
        self.loops.reset()
