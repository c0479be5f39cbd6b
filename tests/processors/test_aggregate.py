"""The aggregator, as a source of neutral points."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from dataclasses import dataclass, replace

import pytest

from otel_dbmon_processors.aggregate import Aggregator
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.observation import ErrorFacts, Observation, Origin
from otel_dbmon_processors.points import OVERFLOW, Family, HistogramPoint, Point
from otel_dbmon_semconv import metrics
from otel_dbmon_semconv.attributes import LABEL_SERVICE, ErrorKind
from otel_dbmon_semconv.declarations import Metric

MS = 1_000_000
BORN = 1_700_000_000 * 1000 * MS


@dataclass(frozen=True, eq=False)
class Statement:
    """What an analysis says, made up."""

    operation: str = "SELECT"
    table: str = "users"
    summary: str = "SELECT users"
    query_type: str = "select"
    complexity: str = "low"
    fingerprint: str = "00000000000000ff"


SELECT_USERS = Statement()


def run(milliseconds: float = 3, error: ErrorFacts | None = None, **facts: object) -> Observation:
    """One run of a statement in database ``shop``."""
    where = {"system": "postgresql", "namespace": "shop", "server_address": "db", "server_port": 5432}
    where |= {key: facts.pop(key) for key in where if key in facts}
    origin = Origin(**where)  # type: ignore[arg-type]
    return Observation("", origin, start_ns=BORN, duration_ns=round(milliseconds * MS), error=error, **facts)  # type: ignore[arg-type]


class Bench:
    """An aggregator with its guard."""

    def __init__(self, **config: object) -> None:
        self.guard = Guard()
        self.aggregator = Aggregator(replace(Config(), **config), self.guard, lambda: BORN)  # type: ignore[arg-type]

    def record(self, observation: Observation, statement: Statement = SELECT_USERS, slow: bool = False) -> None:
        """Record one statement."""
        self.aggregator.record(observation, statement, slow)

    def family(self, metric: Metric) -> Family:
        """The family of a metric now."""
        return next(family for family in self.aggregator.collect() if family.metric is metric)

    def points(self, metric: Metric) -> list[Point]:
        """The points of a metric now."""
        return list(self.family(metric).points)

    def values(self, metric: Metric) -> dict[tuple[object, ...], int]:
        """The counts of a metric now, by attribute values."""
        return {tuple(point.attributes.values()): count(point) for point in self.points(metric)}


def count(point: Point) -> int:
    """How much a point counts."""
    return sum(point.counts) if isinstance(point, HistogramPoint) else point.value


def test_a_statement_counts_under_its_operation_first_table_and_database() -> None:
    """The owner's family has the labels of the specification."""
    bench = Bench()
    bench.record(run(), Statement("INSERT", "orders", "INSERT orders SELECT users"))

    [point] = bench.points(metrics.DATABASE_QUERY_DURATION)

    assert point.attributes == {"operation": "INSERT", "table": "orders", "database": "shop"}


def test_a_statement_counts_by_the_names_of_the_conventions_too() -> None:
    """The conventions' family describes connection, query and error."""
    bench = Bench()
    bench.record(run(error=ErrorFacts("deadlock", "psycopg.errors.DeadlockDetected", "40P01")))

    [point] = bench.points(metrics.DB_CLIENT_OPERATION_DURATION)

    assert point.attributes == {
        "db.system.name": "postgresql",
        "db.namespace": "shop",
        "db.query.summary": "SELECT users",
        "error.type": "psycopg.errors.DeadlockDetected",
        "db.response.status_code": "40P01",
        "server.address": "db",
        "server.port": 5432,
    }


def test_what_is_not_known_is_no_attribute_of_the_conventions() -> None:
    """An empty value would be a value; only the system is required and has a fallback."""
    bench = Bench()
    bench.record(Observation(""), Statement("", "", ""))

    [point] = bench.points(metrics.DB_CLIENT_OPERATION_DURATION)

    assert point.attributes == {"db.system.name": "other_sql"}


def test_an_error_without_a_class_counts_under_its_kind() -> None:
    """error.type says what is known."""
    bench = Bench()
    bench.record(run(error=ErrorFacts("timeout")))

    [point] = bench.points(metrics.DB_CLIENT_OPERATION_DURATION)

    assert point.attributes["error.type"] == "timeout"


@pytest.mark.parametrize(("milliseconds", "bucket"), [(0, 0), (1, 0), (1.000001, 1), (5, 1), (10_000, 8), (10_001, 9)])
def test_a_duration_on_a_boundary_belongs_to_the_bucket_below(milliseconds: float, bucket: int) -> None:
    """Boundaries are inclusive above, as ``le`` is."""
    bench = Bench()
    bench.record(run(milliseconds))

    [point] = bench.points(metrics.DATABASE_QUERY_DURATION)

    assert isinstance(point, HistogramPoint)
    assert point.counts == tuple(int(index == bucket) for index in range(10))


def test_sum_and_extremes_are_those_of_all_collections() -> None:
    """Emptying a tally into its series loses nothing."""
    bench = Bench()
    for milliseconds in (3, 1, 7):
        bench.record(run(milliseconds))
        [point] = bench.points(metrics.DATABASE_QUERY_DURATION)

    assert isinstance(point, HistogramPoint)
    assert (point.sum, point.minimum, point.maximum) == (11 * MS, 1 * MS, 7 * MS)


def test_errors_start_at_zero_for_every_kind_once_a_database_is_seen() -> None:
    """Otherwise rate() would not see the first one."""
    bench = Bench()
    bench.record(run())
    before = bench.values(metrics.DATABASE_ERRORS)
    bench.record(run(error=ErrorFacts("timeout")))
    after = bench.values(metrics.DATABASE_ERRORS)

    assert before == {("SELECT", kind, "shop"): 0 for kind in ErrorKind.VALUES}
    assert after == {**before, ("SELECT", "timeout", "shop"): 1}


def test_slow_queries_start_at_zero() -> None:
    """A table that is read has its counter before anything is slow."""
    bench = Bench()
    bench.record(run())
    before = bench.values(metrics.DATABASE_SLOW_QUERIES)
    bench.record(run(1250), slow=True)

    assert before == {("SELECT", "users"): 0}
    assert bench.values(metrics.DATABASE_SLOW_QUERIES) == {("SELECT", "users"): 1}


def test_n_plus_one_patterns_start_at_zero() -> None:
    """A table that is read has its counter before a pattern is found."""
    bench = Bench()
    bench.record(run())
    before = bench.values(metrics.DATABASE_N_PLUS_ONE)
    bench.aggregator.count_n_plus_one("users")

    assert before == {("users",): 0}
    assert bench.values(metrics.DATABASE_N_PLUS_ONE) == {("users",): 1}


def test_statements_count_by_type_and_complexity() -> None:
    """Two statements of one kind share a counter."""
    bench = Bench()
    for table in ("users", "orders"):
        bench.record(run(), Statement(table=table, query_type="join", complexity="medium"))

    assert bench.values(metrics.DATABASE_QUERY_COMPLEXITY) == {("join", "medium"): 2}


def test_each_bucket_points_at_its_newest_sampled_statement() -> None:
    """An exemplar leads to the database span itself, and never to a span that nobody exported."""
    bench = Bench()
    for span_id, milliseconds, sampled in ((1, 3, True), (2, 4, True), (3, 4, False), (4, 70, True)):
        bench.record(run(milliseconds, trace_id=9, span_id=span_id, sampled=sampled))

    [point] = bench.points(metrics.DATABASE_QUERY_DURATION)

    assert isinstance(point, HistogramPoint)
    assert set(point.exemplars) == {(9, 2, BORN + 4 * MS, 4 * MS), (9, 4, BORN + 70 * MS, 70 * MS)}


def test_everything_above_the_cap_goes_into_one_overflow_series() -> None:
    """The cap holds for each metric by itself, the total stays right and the loss of detail is counted."""
    bench = Bench(max_series=3)
    for number in range(10):
        bench.record(run(), Statement(table=f"t{number}", summary=f"SELECT t{number}"))

    for metric in (metrics.DATABASE_QUERY_DURATION, metrics.DB_CLIENT_OPERATION_DURATION):
        points = bench.points(metric)
        assert [point.attributes == OVERFLOW for point in points] == [False, False, False, True]
        assert [count(point) for point in points] == [1, 1, 1, 7]
    assert bench.guard.dropped["series"] == 2 * 7


def test_counters_overflow_like_histograms() -> None:
    """Slow queries and N+1 patterns of the tables above the cap are still counted."""
    bench = Bench(max_series=1)
    for table in ("users", "orders", "items"):
        bench.record(run(2000), Statement(table=table), slow=True)
        bench.aggregator.count_n_plus_one(table)

    assert bench.values(metrics.DATABASE_SLOW_QUERIES) == {("SELECT", "users"): 1, (True,): 2}
    assert bench.values(metrics.DATABASE_N_PLUS_ONE) == {("users",): 1, (True,): 2}


def test_a_family_that_is_off_has_no_metric() -> None:
    """Each family has its switch; our own health is always told."""
    families = {
        (database, client): {
            family.metric.family
            for family in Bench(database_metrics=database, client_metrics=client).aggregator.collect()
        }
        for database in (True, False)
        for client in (True, False)
    }

    assert families == {
        (True, True): {"database", "client", "dbmon"},
        (True, False): {"database", "dbmon"},
        (False, True): {"client", "dbmon"},
        (False, False): {"dbmon"},
    }


def test_our_own_failures_and_drops_are_metrics() -> None:
    """The guard's counts are given out, what the table may drop from zero on."""
    bench = Bench()
    bench.guard.failures["analysis"] = 2
    bench.guard.dropped["query_text"] = 3

    assert bench.values(metrics.DBMON_FAILURES) == {("analysis",): 2}
    assert bench.values(metrics.DBMON_DROPPED) == {("series",): 0, ("patterns",): 0, ("query_text",): 3}


def test_every_point_has_the_attributes_that_the_registry_declares() -> None:
    """The registry is what dashboards are checked against."""
    bench = Bench(max_series=20)
    bench.guard.failures["analysis"] = 1
    bench.aggregator.count_plan("t1", has_changed=False)
    for number in range(30):
        bench.record(run(2000, error=ErrorFacts("data", "x.Y", "22000")), Statement(table=f"t{number}"), True)

    for family in bench.aggregator.collect():
        declared = set(family.metric.attributes) - {LABEL_SERVICE}
        assert family.points
        for point in family.points:
            assert set(point.attributes) == declared or point.attributes == OVERFLOW


def test_evicted_tallies_lose_nothing() -> None:
    """More statements than the cache holds, seen again and again, are all counted."""
    bench = Bench(cache_size=32)
    statements = [Statement(table=f"t{number}") for number in range(200)]
    for _ in range(5):
        for statement in statements:
            bench.record(run(), statement)

    assert set(bench.values(metrics.DATABASE_QUERY_DURATION).values()) == {5}


def test_analyses_are_let_go() -> None:
    """Statements that are not seen again leave no more than the cache's size of analyses and one batch behind."""
    bench = Bench(cache_size=32)
    for number in range(500):
        bench.record(run(), Statement(table=f"t{number}"))
    gc.collect()

    assert sum(isinstance(thing, Statement) for thing in gc.get_objects()) <= 2 * 32 + 256


def test_distinct_statements_cost_a_bounded_amount_of_memory() -> None:
    """After the caps are reached, the next ten thousand statements cost nothing."""
    bench = Bench(max_series=500, cache_size=200)

    def flood(begin: int) -> int:
        for number in range(begin, begin + 10_000):
            name = f"t{number}"
            bench.record(run(), Statement(table=name, summary=f"SELECT {name}", fingerprint=name))
        list(bench.aggregator.collect())
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        first = flood(0)
        second = flood(10_000)
    finally:
        tracemalloc.stop()

    assert second - first < 100_000


def test_after_a_reset_nothing_is_left() -> None:
    """A forked child repeats none of its parent's counts, and its streams are new ones."""
    bench = Bench()
    bench.record(run())
    [before] = bench.points(metrics.DATABASE_QUERY_DURATION)
    bench.aggregator.reset()

    assert not bench.points(metrics.DATABASE_QUERY_DURATION)
    assert bench.family(metrics.DATABASE_QUERY_PATTERN_CALLS).total.value == 0  # type: ignore[union-attr]

    bench.record(run())
    [after] = bench.points(metrics.DATABASE_QUERY_DURATION)
    assert count(after) == 1
    assert after.key != before.key


def test_a_statement_run_by_a_finalizer_inside_the_aggregator_does_not_deadlock() -> None:
    """Garbage collection may end a connection while this thread holds the lock, and its rollback is a statement."""
    guard = Guard()
    depth = 0

    def clock_ns() -> int:
        nonlocal depth
        depth += 1
        if depth == 2:
            aggregator.record(Observation(""), Statement("ROLLBACK"), False)
        return BORN

    aggregator = Aggregator(Config(), guard, clock_ns)
    worker = threading.Thread(target=aggregator.record, args=(Observation(""), SELECT_USERS, False), daemon=True)
    worker.start()
    worker.join(10)

    assert not worker.is_alive()
    list(aggregator.collect())
    # The first collection itself set it off.
    duration = next(iter(aggregator.collect()))
    assert sorted(count(point) for point in duration.points) == [1, 1]


def test_no_count_is_lost_between_threads() -> None:
    """Eight threads record while three collect; the totals are exact."""
    bench = Bench(cache_size=32, max_series=50)
    statements = [Statement(table=f"t{number}", fingerprint=f"{number:016x}") for number in range(100)]
    rounds = 40
    stop = threading.Event()

    def record() -> None:
        for _ in range(rounds):
            for statement in statements:
                bench.record(run(), statement, slow=True)

    def collect() -> None:
        while not stop.is_set():
            list(bench.aggregator.collect())

    recorders = [threading.Thread(target=record) for _ in range(8)]
    collectors = [threading.Thread(target=collect) for _ in range(3)]
    for thread in (*recorders, *collectors):
        thread.start()
    for thread in recorders:
        thread.join()
    stop.set()
    for thread in collectors:
        thread.join()

    recorded = 8 * rounds * len(statements)
    for metric in (
        metrics.DATABASE_QUERY_DURATION,
        metrics.DB_CLIENT_OPERATION_DURATION,
        metrics.DATABASE_SLOW_QUERIES,
        metrics.DATABASE_QUERY_COMPLEXITY,
    ):
        assert sum(bench.values(metric).values()) == recorded, metric.name
    assert bench.family(metrics.DATABASE_QUERY_PATTERN_CALLS).total.value == recorded  # type: ignore[union-attr]
