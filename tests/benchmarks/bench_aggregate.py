"""Prints what counting a statement costs beside one histogram of the SDK, and what a million statements leave."""

from __future__ import annotations

import gc
import resource
import sys
import time
import timeit
from collections.abc import Callable
from dataclasses import dataclass

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from otel_dbmon_processors.aggregate import Aggregator
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.observation import Observation, Origin

CALLS = 100_000
STATEMENTS = 1_000_000


@dataclass(frozen=True, eq=False, slots=True)
class Statement:
    """What an analysis says, made up."""

    table: str
    summary: str
    fingerprint: str
    operation: str = "SELECT"
    query_type: str = "select"
    complexity: str = "low"


ORIGIN = Origin("postgresql", "shop", "db", 5432)


def main() -> None:
    """Run everything and print it."""
    aggregator = Aggregator(Config(), Guard())
    statement = Statement("users", "SELECT users", "00000000000000ff")
    seen = Observation("", ORIGIN, 1, 3_000_000, None, 7, 5, 0, sampled=True)
    ours = _microseconds(lambda: aggregator.record(seen, statement, False))
    theirs = _microseconds(_sdk_record())
    print(
        f"aggregate, known statement: {ours:.2f} us for all metrics (goal 1.5), one SDK histogram {theirs:.2f} us: "
        f"ratio {ours / theirs:.3f}"
    )
    _flood()


def _microseconds(call: Callable[[], object]) -> float:
    return min(timeit.repeat(call, number=CALLS, repeat=5)) / CALLS * 1e6


def _sdk_record() -> Callable[[], object]:
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    histogram = provider.get_meter("bench").create_histogram("db.client.operation.duration", "s")
    attributes = {f"attribute.{number}": f"value {number}" for number in range(7)}
    return lambda: histogram.record(0.003, attributes)


def _flood() -> None:
    aggregator = Aggregator(Config(), Guard())
    before = _resident_mb()
    started = time.perf_counter()
    for number in range(STATEMENTS):
        name = f"table_{number}"
        statement = Statement(name, f"SELECT {name}", f"{number:016x}")
        aggregator.record(Observation("", ORIGIN, 1, 3_000_000), statement, False)
    spent = time.perf_counter() - started
    started = time.perf_counter()
    list(aggregator.collect())
    collection = time.perf_counter() - started
    gc.collect()
    print(
        f"aggregate, {STATEMENTS} distinct statements: {spent / STATEMENTS * 1e6:.1f} us each, "
        f"{_resident_mb() - before:.1f} MB at the peak, then {collection * 1e3:.0f} ms to collect"
    )


def _resident_mb() -> float:
    # Kilobytes on Linux, bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    main()
