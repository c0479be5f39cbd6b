"""Prints what measuring a pool costs each time a connection is taken and given back, beside contrib's listeners."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable

from opentelemetry import trace
from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
from opentelemetry.metrics import NoOpMeter
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import QueuePool

from otel_dbmon.pools import Pools
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.guard import Guard

CALLS = 5_000
ROUNDS = 30


def main() -> None:
    """Run everything and print it."""
    bare, contrib, ours = (create_engine("sqlite://", poolclass=QueuePool) for _ in range(3))
    EngineTracer(trace.get_tracer("bench"), contrib, NoOpMeter("bench").create_up_down_counter("unused"))
    pools = Pools(Config(), Guard())
    pools.add(ours)
    without, theirs, with_ours = _microseconds(*(_checkout(engine) for engine in (bare, contrib, ours)))
    print(
        f"pools, checkout and checkin: {without:.2f} us bare, +{with_ours - without:.2f} us for all metrics, "
        f"+{theirs - without:.2f} us for contrib's listeners, which these replace"
    )
    (collection,) = _microseconds(lambda: list(pools.collect()), calls=100)
    print(f"pools, collection: {collection:.0f} us a pool for both families")


def _checkout(engine: Engine) -> Callable[[], object]:
    # The pool is asked each time, as the engine does.
    return lambda: engine.pool.connect().close()


def _microseconds(*calls_of: Callable[[], object], calls: int = CALLS) -> list[float]:
    """The best of many short rounds of each, in turn, so that the machine's moods meet all of them."""
    rounds = [[timeit.timeit(call, timer=time.process_time, number=calls) for call in calls_of] for _ in range(ROUNDS)]
    return [min(times) / calls * 1e6 for times in zip(*rounds, strict=True)]


if __name__ == "__main__":
    main()
