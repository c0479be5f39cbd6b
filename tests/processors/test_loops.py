"""Repeated statements: what is found, when, and what is not."""

from __future__ import annotations

import asyncio
import gc
import re
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from cases_of import lists_in
from effort import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, StaticSampler
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags

from otel_dbmon_processors.analysis import analyze
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.finding import Finding
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.loops import Loops
from otel_dbmon_processors.pipeline import Pipeline
from otel_dbmon_processors.processor import DatabaseSpanProcessor
from otel_dbmon_processors.span import STREAMED, holder_of, remember_parameters

MILLISECOND = 1_000_000
STATEMENTS = {
    "orders": "SELECT id, customer_id FROM orders ORDER BY placed_at DESC LIMIT 20",
    "cte_orders": "WITH newest AS (SELECT id FROM orders) SELECT id FROM newest",
    "categories": "SELECT name FROM categories",
    "joined": "SELECT o.id FROM orders o JOIN shops s ON s.id = o.shop_id",
    "customer": "SELECT name FROM customers WHERE id = ?",
    "locking": "SELECT name FROM customers WHERE id = ? FOR UPDATE",
    "pasted": "SELECT name FROM customers WHERE id = {n}",
    "pasted_list": "SELECT name FROM customers WHERE id IN (7{many})",
    "commented": "/* row {n} */ SELECT name FROM customers WHERE id = ?",
    "item": "SELECT quantity FROM order_items WHERE order_id = ?",
    "joined_item": "SELECT p.name FROM order_items i JOIN products p ON p.id = i.product_id WHERE i.order_id = ?",
    "scalar": "SELECT count(*) FROM order_items WHERE order_id = ?",
    "product": "SELECT name FROM products WHERE id = ?",
    "settings": "SELECT value FROM options",
    "other": "SELECT value FROM table_{n}",
    "insert": "INSERT INTO audit (id) VALUES (?)",
    "insert_returning": "INSERT INTO audit (id) VALUES (?) RETURNING id",
    "with_insert": "WITH x AS (INSERT INTO audit (id) VALUES (?) RETURNING id) SELECT id FROM x",
    "update": "UPDATE orders SET seen = ? WHERE id = ?",
    "delete": "DELETE FROM audit WHERE id = ?",
    "call": "CALL close_day(?)",
    "ddl": "CREATE TABLE scratch (id INTEGER)",
    "failing_sql": "no SQL at all",
    "begin": "BEGIN",
    "commit": "COMMIT",
    "rollback": "ROLLBACK",
    "savepoint": "SAVEPOINT sa_savepoint_{n}",
    "release": "RELEASE SAVEPOINT sa_savepoint_{n}",
    "ping": "SELECT 1",
    "set": "SET search_path TO shop",
    "fetch": "FETCH FORWARD 100 FROM cursor_1",
    "cursor": "SELECT name FROM products",
}
#: Spans of other kinds, by what they carry.
OTHERS: dict[str, dict[str, Any]] = {
    "http": {"http.request.method": "GET", "url.full": "http://rates/today"},
    "span": {},
    "redis": {"db.system.name": "redis", "db.query.text": "GET ?"},
    "connect": {"db.system.name": "postgresql", "db.namespace": "shop"},
}
_STEP = re.compile(r"(?P<word>\w+)(?P<same>=?)(?P<unknown>\??)(?:@(?P<took>\d+))?(?:\*(?P<times>\d+))?")


class Play:
    """Ends the spans that a case's words stand for, and remembers what was found.

    ``word*5`` is five runs; a parameter or a literal is another one each time, the same one after ``=``, and not known
    after ``?``; ``@10`` is how many milliseconds one takes (1 if not said). ``(a b)*5`` repeats a group. ``pause`` is
    a second in which nothing runs.
    """

    def __init__(self, config: Config | None = None, decision: Decision = Decision.RECORD_AND_SAMPLE) -> None:
        self._now_ns = 1_000_000_000_000
        self.pipeline = Pipeline(config or Config(), clock_ns=lambda: self._now_ns)
        self.findings: list[Finding] = []
        self.pipeline.subscribe(self.findings.append)
        self.exporter = InMemorySpanExporter()
        self._provider = TracerProvider(StaticSampler(decision), shutdown_on_exit=False)
        self._provider.add_span_processor(DatabaseSpanProcessor(self.pipeline))
        self._provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self._provider.get_tracer("test")
        self._runs = 0

    def steps(self, runs: str) -> Iterator[re.Match[str]]:
        """One step for each run."""
        flat = runs
        while group := re.search(r"\(([^()]*)\)\*(\d+)", flat):
            flat = flat[: group.start()] + " ".join([group[1]] * int(group[2])) + flat[group.end() :]
        for word in flat.split():
            step = _STEP.fullmatch(word)
            assert step is not None, word
            yield from [step] * int(step["times"] or 1)

    def run(self, step: re.Match[str], at_once: bool = False) -> None:
        """One run, in the context that is current."""
        self._runs += 1
        word, took = step["word"], int(step["took"] or 1) * MILLISECOND
        if word == "pause":
            self._now_ns += 1000 * MILLISECOND
            return
        attributes = OTHERS.get(word)
        if attributes is None:
            text = STATEMENTS[word].format(n=self._runs, many=", 7" * self._runs)
            attributes = {"db.system.name": "postgresql", "db.query.text": text}
        kind = SpanKind.INTERNAL if word == "span" else SpanKind.CLIENT
        span = self.tracer.start_span(word, kind=kind, attributes=attributes, start_time=self._now_ns)
        if word == "cursor":
            remember_parameters(span, STREAMED)
        elif not step["unknown"]:
            known = "?" in STATEMENTS.get(word, "")
            remember_parameters(span, (0 if step["same"] else self._runs,) if known else ())
        if not at_once or word != "customer":
            self._now_ns += took
        span.end(self._now_ns + (took if at_once else 0))

    def parents(self, kind: str) -> Iterator[Any]:
        """The contexts in which one statement after the other runs, for ever."""
        context = SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(int(kind == "remote")))
        if kind == "none":
            while True:
                yield None
        if kind in ("remote", "unsampled"):
            while True:
                yield trace.use_span(NonRecordingSpan(context))
        spans = [self.tracer.start_span("GET /", kind=SpanKind.SERVER) for _ in range(2 if kind == "two" else 1)]
        while True:
            for span in spans:
                yield trace.use_span(span)
            if kind == "apart":
                spans = [self.tracer.start_span("GET /", kind=SpanKind.SERVER)]


def play(case: dict[str, Any]) -> Play:
    """What became of a case."""
    parent = case.get("parent", "one")
    played = Play(decision=Decision.RECORD_ONLY if parent == "unsampled" else Decision.RECORD_AND_SAMPLE)
    if parent == "nested":
        with played.tracer.start_as_current_span("GET /", kind=SpanKind.SERVER):
            for _ in range(3):
                with played.tracer.start_as_current_span("inner"):
                    for step in played.steps(case["runs"]):
                        played.run(step)
        return played
    for step, context in zip(played.steps(case["runs"]), played.parents(parent), strict=False):
        with ExitStack() as stack:
            if context is not None:
                stack.enter_context(context)
            played.run(step, case.get("at_once", False))
    return played


CASES = [pytest.param(case, id=f"{source}-{case['runs']}") for source, case in lists_in("loops")]


@pytest.mark.parametrize("case", CASES)
def test_what_is_found_of_repeats(case: dict[str, Any]) -> None:
    """Kind, table and the number of repeats at which it was found; the query before; when it became an alert."""
    findings = play(case).findings
    alerts = [finding.count for finding in findings if finding.alert]
    told: Counter[tuple[str, str]] = Counter()
    found = []
    for finding in findings:
        key = (finding.kind, finding.analysis.fingerprint)
        told[key] += 1
        if told[key] == 1 or not finding.alert:
            found.append(f"{finding.kind} {finding.analysis.table} {finding.count}")
    assert found == case["finds"], case["why"]
    assert alerts == case.get("alerts", []), case["why"]
    if "source" in case:
        sources = [finding.source.table if finding.source is not None else None for finding in findings]
        assert sources[0] == case["source"]


_WORK = st.lists(st.sampled_from(["orders", "customer", "customer=", "product", "item", "cursor", "http"]), max_size=24)


@settings(max_examples=examples(100), deadline=None)
@given(_WORK, st.sets(st.integers(0, 23)), st.sampled_from(["one", "none"]))
@example(["customer", "customer", "orders", *["customer"] * 5], {0}, "none")
def test_pings_change_nothing(work: list[str], pinged: set[int], parent: str) -> None:
    """Wherever a pool asks whether its connection is alive, the same is found at the same statement."""
    with_pings = [word for place, run in enumerate(work) for word in (["ping"] if place in pinged else []) + [run]]
    plain, interspersed = (
        [
            (finding.kind, finding.analysis.table, finding.count, finding.alert)
            for finding in play({"runs": " ".join(runs), "parent": parent}).findings
        ]
        for runs in (work, with_pings)
    )
    assert interspersed == plain


def test_there_are_enough_cases() -> None:
    """At least forty, of which many are found and many are not."""
    finds = [bool(case["finds"]) for _, case in lists_in("loops")]
    assert len(finds) >= 40
    assert min(Counter(finds).values()) >= 15


def points(pipeline: Pipeline, name: str) -> dict[str, float]:
    """The values of a counter by what its series is about."""
    family = next(family for family in pipeline.aggregator.collect() if family.metric.name == name)
    return {str(*point.attributes.values()): point.value for point in family.points}


def test_repeats_and_their_request_are_marked_and_counted() -> None:
    """All repeats, also those before it was found; the line on the one at which it was found; the request's span."""
    played = Play()
    with played.tracer.start_as_current_span("GET /", kind=SpanKind.SERVER):
        for step in played.steps("orders customer*7"):
            played.run(step)
    source, *repeats, request = [dict(span.attributes or {}) for span in played.exporter.get_finished_spans()]
    assert "dbmon.n_plus_one" not in source
    assert [span["dbmon.n_plus_one"] for span in repeats] == [True] * 7
    assert ["code.line.number" in span for span in repeats] == [False] * 4 + [True] + [False] * 2
    assert (request["dbmon.db.n_plus_one_count"], request["dbmon.db.query_count"]) == (1, 8)
    assert points(played.pipeline, "database.n_plus_one") == {"orders": 0, "customers": 1}


def test_a_request_without_a_pattern_says_nothing_of_it() -> None:
    """Neither do duplicates."""
    played = play({"runs": "orders customer=*9"})
    assert not any("dbmon.n_plus_one" in (span.attributes or {}) for span in played.exporter.get_finished_spans())
    assert sum(points(played.pipeline, "database.n_plus_one").values()) == 0


def test_thresholds_are_settings() -> None:
    """How many repeats, and for how long they have to run."""
    played = Play(Config(n_plus_one_threshold=3, n_plus_one_min_duration_ns=2 * MILLISECOND))
    with played.tracer.start_as_current_span("GET /", kind=SpanKind.SERVER):
        for step in played.steps("orders customer*3"):
            played.run(step)
    assert [(finding.count, finding.alert) for finding in played.findings] == [(3, True)]


def test_a_forked_child_starts_from_nothing() -> None:
    """The repeats of its parent are not its own."""
    played = Play()
    for step in played.steps("orders customer*4"):
        played.run(step)
    played.pipeline.reset()
    for step in played.steps("customer*4"):
        played.run(step)
    assert played.findings == []


def test_parents_are_bounded_and_what_is_lost_is_counted() -> None:
    """A parent that never ends is given up when there are too many; only a pattern in the making is a loss."""
    guard = Guard()
    loops = Loops(5, 0, guard, max_parents=8)
    analysis = analyze("SELECT name FROM customers WHERE id = ?")
    for parent_id in range(1, 101):
        for _ in range(2 if parent_id % 2 else 1):
            loops.see(analysis, analysis.sanitized, parent_id)
    assert 40 <= guard.dropped["repeats"] <= 50


@pytest.mark.parametrize("is_sampled", [True, False])
def test_nothing_of_a_span_that_is_not_exported_is_kept(is_sampled: bool) -> None:
    """Where a service is sampled, the ends of most parents are not seen, and what is kept of their statements stays."""
    loops = Loops(5, 0, Guard())
    span: Any = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("SELECT")
    remember_parameters(span, (1,))
    analysis = analyze("SELECT name FROM customers WHERE id = ?")
    attributes = weakref.ref(holder_of(span))
    loops.see(analysis, analysis.sanitized, 7, span=span, is_sampled=is_sampled)
    del span
    gc.collect()
    assert (attributes() is not None) is is_sampled


def test_queries_under_one_parent_are_bounded() -> None:
    """Whatever has not run for the longest time is forgotten; what is running now is found all the same."""
    assert [finding.count for finding in play({"runs": "other*500 orders customer*5"}).findings] == [5]


def test_threads_share_a_parent() -> None:
    """A pattern whose repeats are spread over threads is one pattern, found once."""
    played = Play()
    with played.tracer.start_as_current_span("GET /", kind=SpanKind.SERVER) as parent:
        for step in played.steps("orders"):
            played.run(step)

        def work() -> None:
            with trace.use_span(parent):
                for step in played.steps("customer*200"):
                    played.run(step)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [finding.kind for finding in played.findings if not finding.alert] == ["n_plus_one"]
    assert not played.pipeline.guard.failures


def test_tasks_without_a_parent_are_kept_apart() -> None:
    """Each task has its own repeats; three in each of two are no five."""
    played = Play()

    async def work() -> None:
        for step in played.steps("orders customer*3"):
            played.run(step)
            await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(work(), work())

    asyncio.run(both())
    assert played.findings == []
