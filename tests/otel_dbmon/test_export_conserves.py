"""Whatever is recorded and whoever collects when: every reader is told all of it, once."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from metering import DELTA, Meters, Statement, collected
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader

from otel_dbmon_processors.config import Config
from otel_dbmon_processors.observation import ErrorFacts

#: What each metric has to add up to, by what :meth:`Conservation.record` notes.
EXPECTED = {
    "database.query.duration": "calls",
    "db.client.operation.duration": "calls",
    "database.query.complexity": "calls",
    "database.query.pattern.calls": "calls",
    "database.query.pattern.duration": "seconds",
    "database.slow_queries": "slow",
    "database.errors": "errors",
    "database.n_plus_one": "n_plus_one",
}


class Told:
    """Adds up what a reader was told: deltas as they come, cumulative streams by their last value."""

    def __init__(self, reader: InMemoryMetricReader) -> None:
        self.reader = reader
        self.streams: dict[tuple[Any, ...], float] = {}

    def collect(self) -> None:
        """Let the reader collect once more."""
        for name, metric in collected(self.reader).items():
            delta = metric.data.aggregation_temporality == AggregationTemporality.DELTA  # type: ignore[union-attr]
            for point in metric.data.data_points:
                value = point.count if hasattr(point, "count") else point.value
                start = None if delta else point.start_time_unix_nano
                stream = (name, frozenset((point.attributes or {}).items()), start)
                before = self.streams.get(stream, 0)
                assert delta or value >= before, "a cumulative stream fell"
                assert value >= 0
                self.streams[stream] = before + value if delta else value

    def total(self, metric: str) -> float:
        """The sum over all streams of a metric."""
        return sum(value for (name, *_), value in self.streams.items() if name == metric)


class Conservation(RuleBasedStateMachine):
    """Two readers of each temporality, few slots and few series, so that everything overflows and changes hands."""

    @initialize()
    def start(self) -> None:
        """Begin with nothing."""
        readers = [InMemoryMetricReader(preferred_temporality=preference) for preference in (None, None, DELTA, DELTA)]
        self.meters = Meters(readers, Config(top_queries=2, max_series=3, cache_size=2))
        self.told = [Told(reader) for reader in readers]
        self.statements = [
            Statement("SELECT" if number % 2 else "INSERT", (f"t{number}",), f"s{number}", fingerprint=f"{number:016x}")
            for number in range(25)
        ]
        self.recorded: Counter[str] = Counter(calls=0)

    @rule(
        number=st.integers(0, 24),
        milliseconds=st.integers(0, 10_000),
        error=st.sampled_from([None, None, "timeout", "data"]),
        slow=st.booleans(),
        times=st.integers(1, 5),
    )
    def record(self, number: int, milliseconds: int, error: str | None, slow: bool, times: int) -> None:
        """Run a statement some times."""
        for _ in range(times):
            facts = ErrorFacts(error) if error else None
            self.meters.record(self.statements[number], milliseconds, facts, slow, span_id=number)
        self.recorded.update(
            calls=times, milliseconds=milliseconds * times, errors=times * bool(error), slow=times * slow
        )

    @rule(number=st.integers(0, 24))
    def find_n_plus_one(self, number: int) -> None:
        """Find a pattern."""
        self.meters.aggregator.count_n_plus_one(f"t{number}")
        self.recorded["n_plus_one"] += 1

    @rule(reader=st.integers(0, 3))
    def collect(self, reader: int) -> None:
        """Let one reader collect, and compare."""
        told = self.told[reader]
        told.collect()
        self.recorded["seconds"] = 0
        for metric, noted in EXPECTED.items():
            expected = self.recorded["milliseconds"] / 1000 if noted == "seconds" else self.recorded[noted]
            assert abs(told.total(metric) - expected) < 1e-6, metric

    @invariant()
    def nothing_failed(self) -> None:
        """No failure of ours hides a difference."""
        assert not self.meters.guard.failures

    def teardown(self) -> None:
        """At the end every reader collects."""
        for reader in range(4):
            self.collect(reader)


TestConservation = Conservation.TestCase
TestConservation.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
