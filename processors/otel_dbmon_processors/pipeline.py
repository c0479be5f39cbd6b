"""Takes an observation through the stages, in order, and answers what they found out: the whole path on one page."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from otel_dbmon_processors.aggregate import Aggregator
from otel_dbmon_processors.analysis import Analysis, Analyzer
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.finding import SLOW_QUERY, Finding
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.location import Location, locate
from otel_dbmon_processors.observation import ErrorFacts, Observation
from otel_dbmon_processors.requests import Requests
from otel_dbmon_semconv import attributes as names

Subscriber = Callable[[Finding], None]
_NOTHING: Mapping[str, Any] = {}


class Pipeline:
    """Analyze, detect, aggregate. Thread safe; one instance serves a process.

    Args:
        config: Thresholds, caps and switches.
        guard: Counts failures and drops; a new one if not given.
        clock_ns: Nanoseconds since the epoch, for the start times of series.
    """

    def __init__(self, config: Config, guard: Guard | None = None, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.config = config
        self.guard = guard if guard is not None else Guard()
        self.analyzer = Analyzer(config.cache_size, config.max_query_length, self.guard)
        self.aggregator = Aggregator(config, self.guard, clock_ns)
        self.requests = Requests(self.guard)
        self._subscribers: tuple[Subscriber, ...] = ()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Be told of every finding, in the thread that ran the statement: hand it on, don't work on it there.

        What a subscriber raises is counted and reaches nobody. A fork keeps the subscribers.
        """
        self._subscribers = (*self._subscribers, subscriber)

    def observe(self, observation: Observation) -> tuple[Analysis, Mapping[str, Any]]:
        """Count one executed statement, exactly once.

        Returns:
            Its analysis, and the attributes that only this run's span gets, for what was found about it; mostly none.
        """
        statement, origin, start_ns, duration_ns, _, _, _, parent_id, _ = observation
        analysis = self.analyzer.analyze(statement, origin.system)
        slow = duration_ns >= self.config.slow_query_threshold_ns
        self.aggregator.record(observation, analysis, slow)
        request = self.requests.find(parent_id)
        if request is not None:
            request.add(start_ns, start_ns + duration_ns)
        return analysis, self._found_slow(observation, analysis) if slow else _NOTHING

    def _found_slow(self, observation: Observation, analysis: Analysis) -> Mapping[str, Any]:
        location = self._locate()
        request = self.requests.find(observation.parent_id)
        self._tell(
            Finding(
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
        )
        return {names.DBMON_SLOW: True, **_attributes_of(location)}

    def _locate(self) -> Location | None:
        try:
            return locate()
        except Exception as error:  # noqa: BLE001 - what was found is worth telling without it
            self.guard.failed("location", error)
            return None

    def _tell(self, finding: Finding) -> None:
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


def _attributes_of(location: Location | None) -> Mapping[str, Any]:
    if location is None:
        return _NOTHING
    return {
        names.CODE_FILE_PATH: location.path,
        names.CODE_LINE_NUMBER: location.line,
        names.CODE_FUNCTION_NAME: location.function,
    }
