"""The span processor, as an exporter behind it sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

from otel_dbmon_processors.config import Config
from otel_dbmon_processors.pipeline import Pipeline
from otel_dbmon_processors.processor import DatabaseSpanProcessor

CANARY = "canary-4711@example.com"


class Bench:
    """A provider with our processor and an exporter on each side of it."""

    def __init__(self, config: Config | None = None, limits: SpanLimits | None = None) -> None:
        self.pipeline = Pipeline(config or Config())
        self.before, self.after = InMemorySpanExporter(), InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False, span_limits=limits)
        self.provider.add_span_processor(SimpleSpanProcessor(self.before))
        self.provider.add_span_processor(DatabaseSpanProcessor(self.pipeline))
        self.provider.add_span_processor(SimpleSpanProcessor(self.after))
        self.tracer = self.provider.get_tracer("test")

    def run(self, name: str = "SELECT shop", **attributes: Any) -> ReadableSpan:
        """Export one span with these attributes (``__`` stands for a dot) and return what came out."""
        span = self.tracer.start_span(name, attributes={key.replace("__", "."): v for key, v in attributes.items()})
        span.end()
        return self.last()

    def last(self) -> ReadableSpan:
        """The newest exported span, the same for both exporters."""
        before, after = self.before.get_finished_spans()[-1], self.after.get_finished_spans()[-1]
        assert (before.name, before.attributes, before.events) == (after.name, after.attributes, after.events)
        return after


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A fresh bench with default settings."""
    bench = Bench()
    yield bench
    bench.provider.shutdown()


def test_a_statement_span_is_rewritten_for_exporters_on_both_sides(bench: Bench) -> None:
    """Sanitized text, summary as the name, our own names; contrib's wrong operation name goes."""
    span = bench.run(
        db__system__name="sqlite",
        db__query__text="SELECT * FROM users JOIN profiles WHERE users.id = 4711",
        db__operation__name="SELECT shop",
        db__namespace="shop",
    )
    assert span.name == "SELECT users profiles"
    assert dict(span.attributes or {}) == {
        "db.system.name": "sqlite",
        "db.query.text": "SELECT * FROM users JOIN profiles WHERE users.id = ?",
        "db.namespace": "shop",
        "db.query.summary": "SELECT users profiles",
        "dbmon.query.operation": "SELECT",
        "dbmon.query.collection": "users",
        "dbmon.query.type": "join",
        "dbmon.query.complexity": "medium",
        "dbmon.query.fingerprint": (span.attributes or {})["dbmon.query.fingerprint"],
    }


def test_old_names_are_answered_in_old_and_new_names(bench: Bench) -> None:
    """Who still gets ``db.statement`` gets it sanitized, and the stable names beside it."""
    span = bench.run(db__system="mssql", db__statement=f"SELECT 1 FROM t WHERE a = '{CANARY}'", db__operation="SELECT")
    attributes = dict(span.attributes or {})
    assert attributes["db.statement"] == attributes["db.query.text"] == "SELECT ? FROM t WHERE a = ?"
    assert attributes["db.system.name"] == "microsoft.sql_server"
    assert "db.operation" not in attributes


def test_bound_parameters_never_leave(bench: Bench) -> None:
    """``db.query.parameter.*`` and ``db.statement.parameters`` go from any span, with or without a statement."""
    for text in ({"db__query__text": "SELECT ?"}, {}):
        span = bench.run(**text, db__query__parameter__0=CANARY, db__statement__parameters=f"('{CANARY}',)")
        assert CANARY not in span.to_json()


def test_bytes_are_a_statement_too(bench: Bench) -> None:
    """psycopg2 can hand over bytes."""
    span = bench.run(db__statement=f"SELECT '{CANARY}'".encode())
    assert (span.attributes or {})["db.query.text"] == "SELECT ?"


def test_an_exception_on_any_span_loses_its_values_and_keeps_its_class(bench: Bench) -> None:
    """The request's span holds the driver's message, the statement and its parameters: only the shape may stay."""
    error = RuntimeError(
        "(sqlite3.IntegrityError) UNIQUE constraint failed: users.email\n"
        f"[SQL: INSERT INTO users (email) VALUES (?)]\n[parameters: ('{CANARY}',)]"
    )
    with pytest.raises(RuntimeError), bench.tracer.start_as_current_span("POST /users"):
        raise error
    text = bench.last().to_json()
    assert CANARY not in text
    assert "[SQL" not in text
    assert "RuntimeError" in text
    assert "UNIQUE constraint failed: users.email" in text
    assert "test_processor.py" in text


def test_a_status_description_is_made_safe(bench: Bench) -> None:
    """contrib puts the driver's whole message there."""
    span = bench.tracer.start_span("SELECT shop", attributes={"db.query.text": "SELECT 1"})
    span.set_status(Status(StatusCode.ERROR, f"duplicate key\nDETAIL:  Key (email)=({CANARY}) already exists."))
    span.end()
    assert CANARY not in bench.last().to_json()
    assert bench.last().status.status_code is StatusCode.ERROR


def test_values_in_urls_are_masked_unless_switched_off(bench: Bench) -> None:
    """A search term is a value that a person typed."""
    url = f"https://shop.test/search?q={CANARY}"
    assert CANARY not in bench.run(url__full=url).to_json()
    kept = Bench(Config(redact_urls=False))
    assert CANARY in kept.run(url__full=url).to_json()
    kept.provider.shutdown()


def test_text_cut_by_an_attribute_limit_is_still_safe() -> None:
    """A limit may cut a statement in the middle of a literal, where its closing quote is gone."""
    for limit in range(1, 60):
        bench = Bench(limits=SpanLimits(max_span_attribute_length=limit))
        span = bench.run(db__system__name="postgresql", db__query__text=f"SELECT a FROM t WHERE b = '{CANARY}'")
        assert "canary" not in span.to_json()
        assert len(str((span.attributes or {})["db.query.text"])) <= limit
        bench.provider.shutdown()


def test_a_vendor_that_swallows_on_ending_gets_rewritten_spans_all_the_same() -> None:
    """The fallback rewrites the read-only span that all later processors share."""

    class Swallowing(SpanProcessor):
        def __init__(self, inner: SpanProcessor) -> None:
            self.inner = inner

        def on_start(self, span: Span, parent_context: Any = None) -> None:
            self.inner.on_start(span, parent_context)

        def on_end(self, span: ReadableSpan) -> None:
            self.inner.on_end(span)

    pipeline, exporter = Pipeline(Config()), InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Swallowing(DatabaseSpanProcessor(pipeline)))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer("test").start_span("x", attributes={"db.query.text": f"SELECT '{CANARY}'"}).end()
    (span,) = exporter.get_finished_spans()
    assert CANARY not in span.to_json()
    assert span.name == "SELECT"
    provider.shutdown()


def test_a_failure_of_ours_drops_the_text_and_keeps_the_span(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail closed, count it, and let nothing reach ``span.end()``."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError(CANARY)

    monkeypatch.setattr(bench.pipeline, "observe", fail)
    span = bench.run(db__system__name="sqlite", db__query__text=f"SELECT '{CANARY}'", http__target=f"/?{CANARY}")
    assert CANARY not in span.to_json()
    assert span.name == "sqlite"
    assert bench.pipeline.guard.failures == {"span": 1}


def test_a_span_like_one_before_loses_its_values_too(bench: Bench) -> None:
    """What became of the first is used again, but never with anything that was made safe on the first alone."""
    for number in range(5):
        span = bench.run(
            db__system__name="postgresql",
            db__query__text=f"SELECT a FROM t WHERE b = '{CANARY}' AND c = {number}",
            url__full=f"https://shop.test/search?q={CANARY}",
            exception__message=f"no such value: '{CANARY}'",
            db__query__parameter__0=CANARY,
        )
        assert CANARY not in span.to_json()
        assert (span.attributes or {})["db.query.text"] == "SELECT a FROM t WHERE b = ? AND c = ?"


def test_spans_keep_apart_what_others_put_on_them(bench: Bench) -> None:
    """Also values that are equal and not the same."""
    for value in (1, True, 1.0, 2, 2.0, "2", ("2",), ["x"]) * 3:
        said = (bench.run(db__query__text="SELECT 1", custom=value).attributes or {})["custom"]
        assert (said, type(said)) == ((tuple(value), tuple) if isinstance(value, list) else (value, type(value)))


def test_more_kinds_of_statements_than_are_remembered_stay_right() -> None:
    """A full memory is emptied, and fills again."""
    small = Bench(Config(cache_size=4))
    for number in (*range(20), *range(20)):
        span = small.run(db__system__name="sqlite", db__query__text=f"SELECT a FROM t{number} WHERE b = {number}")
        assert (span.name, (span.attributes or {})["dbmon.query.collection"]) == (f"SELECT t{number}", f"t{number}")
    small.provider.shutdown()


def test_slow_is_said_on_the_span() -> None:
    """Only where it is so: an attribute that is always there says nothing."""
    slow = Bench(Config(slow_query_threshold_ns=0))
    assert (slow.run(db__query__text="SELECT 1").attributes or {})["dbmon.slow"] is True
    slow.provider.shutdown()


def test_slow_is_not_said_of_a_quick_statement(bench: Bench) -> None:
    """The default threshold is a second."""
    assert "dbmon.slow" not in (bench.run(db__query__text="SELECT 1").attributes or {})


def test_the_text_can_be_left_out(bench: Bench) -> None:
    """``OTEL_DBMON_QUERY_TEXT=false`` leaves the summary and drops the text under every name."""
    without = Bench(Config(query_text=False))
    span = without.run(db__query__text="SELECT a FROM t", db__statement="SELECT a FROM t")
    assert "SELECT a FROM" not in span.to_json()
    assert (span.attributes or {})["db.query.summary"] == "SELECT t"
    without.provider.shutdown()


@pytest.mark.parametrize(
    ("system", "statement", "left"),
    [("mongodb", '{"find": "bob"}', None), ("redis", "SET ? ?", "SET ? ?"), ("redis", "SET user bob", None)],
)
def test_what_is_not_sql_is_not_counted_and_leaves_no_text(
    bench: Bench, system: str, statement: str, left: str | None
) -> None:
    """We could not sanitize it; redis' own masked commands may stay."""
    span = bench.run("find", db__system=system, db__statement=statement)
    assert (span.attributes or {}).get("db.statement") == left
    assert span.name == "find"


_attribute_values = st.one_of(
    st.text(max_size=60), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats(), st.binary(max_size=20),
    st.lists(st.text(max_size=10), max_size=3),
)  # fmt: skip
_attribute_keys = st.sampled_from(
    ["db.query.text", "db.statement", "db.system", "db.system.name", "db.namespace", "db.name", "server.port",
     "net.peer.port", "server.address", "error.type", "url.full", "url.query", "exception.message",
     "exception.stacktrace", "db.query.parameter.a", "db.operation.name", "custom"]
)  # fmt: skip


@given(st.dictionaries(_attribute_keys, _attribute_values), st.text(max_size=20))
def test_whatever_stands_on_a_span_the_service_goes_on(attributes: dict[str, Any], description: str) -> None:
    """No attribute of any type makes ``end()`` raise or loses the span."""
    bench = Bench()
    span = bench.tracer.start_span("x", attributes=attributes)
    span.set_status(Status(StatusCode.ERROR, description))
    span.end()
    assert len(bench.after.get_finished_spans()) == 1
    assert not [key for key in bench.last().attributes or {} if key.startswith("db.query.parameter")]
    bench.provider.shutdown()
