"""Takes an observation through the stages, in order, and answers what they found out: the whole path on one page."""

from __future__ import annotations

import time
from collections.abc import Callable

from otel_dbmon_processors.aggregate import Aggregator
from otel_dbmon_processors.analysis import Analysis, Analyzer
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.observation import ErrorFacts, Observation
from otel_dbmon_processors.requests import Requests


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

    def observe(self, observation: Observation) -> tuple[Analysis, bool]:
        """Count one executed statement, exactly once, and say what was found: its analysis, and whether it was slow."""
        analysis = self.analyzer.analyze(observation.statement, observation.origin.system)
        return analysis, self.count(observation, analysis)

    def count(self, observation: Observation, analysis: Analysis) -> bool:
        """Count one executed statement whose analysis is known, and say whether it was slow."""
        slow = observation.duration_ns >= self.config.slow_query_threshold_ns
        self.aggregator.record(observation, analysis, slow)
        return slow

    def step_failed(self, step: str, error: ErrorFacts, namespace: str) -> None:
        """Count an error that no statement stands for: a connection that could not be made, a commit that failed."""
        self.aggregator.count_error(step, error.type, namespace)

    def reset(self) -> None:
        """Start from zero: a forked child must not repeat what its parent counted."""
        self.guard.reset()
        self.analyzer.reset()
        self.aggregator.reset()
        self.requests.reset()
