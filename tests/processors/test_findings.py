"""What is found about statements, as a subscriber and the span's reader see it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from otel_dbmon_processors.config import Config
from otel_dbmon_processors.finding import SLOW_QUERY, Finding
from otel_dbmon_processors.observation import Observation
from otel_dbmon_processors.pipeline import Pipeline
from otel_dbmon_processors.processor import DatabaseSpanProcessor

SECOND = 1_000_000_000
SLOW = Observation("SELECT * FROM users WHERE id = 7", duration_ns=2 * SECOND, start_ns=SECOND)


def subscribed(config: Config | None = None) -> tuple[Pipeline, list[Finding]]:
    """A pipeline, and the list that its findings go to."""
    pipeline, findings = Pipeline(config or Config()), list[Finding]()
    pipeline.subscribe(findings.append)
    return pipeline, findings


def test_a_slow_statement_is_a_finding() -> None:
    """Once, with what the text says and how long it took."""
    pipeline, findings = subscribed()
    pipeline.observe(SLOW)
    pipeline.observe(SLOW._replace(duration_ns=SECOND - 1))
    (found,) = findings
    assert (found.kind, found.analysis.sanitized) == (SLOW_QUERY, "SELECT * FROM users WHERE id = ?")
    assert (found.count, found.duration_ns, found.start_ns, found.alert) == (1, 2 * SECOND, SECOND, True)


def test_a_subscriber_that_raises_harms_nobody() -> None:
    """The others hear of the finding, and the failure is counted."""
    pipeline, findings = Pipeline(Config()), list[Finding]()

    def fail(_: Finding) -> None:
        raise RuntimeError

    pipeline.subscribe(fail)
    pipeline.subscribe(findings.append)
    pipeline.observe(SLOW)
    assert len(findings) == 1
    assert pipeline.guard.failures == {"subscriber": 1}


def test_a_finding_knows_its_span_and_its_request() -> None:
    """Trace, span and parent are those of the statement; the request is the local root."""
    pipeline, findings = subscribed(Config(slow_query_threshold_ns=0))
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(DatabaseSpanProcessor(pipeline))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    with (
        tracer.start_as_current_span("GET /", kind=SpanKind.SERVER) as root,
        tracer.start_as_current_span("inner") as inner,
    ):
        tracer.start_span("q", kind=SpanKind.CLIENT, attributes={"db.query.text": "SELECT a FROM t"}).end()
    (found,) = findings
    span = exporter.get_finished_spans()[0]
    assert span.context is not None
    assert span.attributes is not None
    assert (found.trace_id, found.span_id, found.sampled) == (span.context.trace_id, span.context.span_id, True)
    assert (found.parent_id, found.request_id) == (inner.get_span_context().span_id, root.get_span_context().span_id)
    assert found.location is not None
    here = found.location
    assert here.path.endswith("test_findings.py")
    assert here.function == f"{__name__}.test_a_finding_knows_its_span_and_its_request"
    assert (span.attributes["code.file.path"], span.attributes["code.line.number"]) == (here.path, here.line)
    assert span.attributes["code.function.name"] == here.function
    assert span.attributes["dbmon.slow"] is True


PACKAGES = "/srv/venv/lib/python3.11/site-packages"
SHOP, ACME = ("/srv/shop/pages.py", "shop.pages"), (f"{PACKAGES}/acme/pages.py", "acme.pages")
SQLALCHEMY = (f"{PACKAGES}/sqlalchemy/engine/base.py", "sqlalchemy.engine.base")
FLASK = (f"{PACKAGES}/flask/app.py", "flask.app")


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        ([SHOP], "shop.pages.run"),
        ([FLASK, SHOP, SQLALCHEMY], "shop.pages.run"),
        ([SHOP, ACME, SQLALCHEMY], "shop.pages.run"),
        ([FLASK, ACME, SQLALCHEMY], "acme.pages.run"),
        ([SHOP, (contextlib.__file__, "contextlib"), ("<string>", "__main__"), SQLALCHEMY], "shop.pages.run"),
        ([(f"{Path(sys.executable).parent}/gunicorn", "__main__"), ACME, SQLALCHEMY], "acme.pages.run"),
        ([SHOP, ("/src/otel_dbmon_processors/span.py", "otel_dbmon_processors.span")], "shop.pages.run"),
        ([SQLALCHEMY], ""),
        ([], ""),
    ],
)
def test_a_location_is_the_innermost_line_of_the_application(calls: list[tuple[str, str]], found: str) -> None:
    """Of the thread that runs the statement, past libraries; an installed one only where all are."""
    pipeline, findings = subscribed()
    call: Callable[[], object] = partial(pipeline.observe, SLOW)
    for file, module in reversed(calls):
        names: dict[str, Any] = {"__name__": module}
        exec(compile("def run(call):\n    return call()", file, "exec"), names)
        call = partial(names["run"], call)
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    location = findings[0].location
    assert ("" if location is None else location.function) == found
    if location is not None:
        assert location.line == 2
        assert location.path == f"{found.split('.')[0]}/pages.py"


def test_a_location_is_that_of_whoever_awaits_the_statement(tmp_path: Path) -> None:
    """SQLAlchemy's async engines run a statement below a greenlet, where no frame of the application is."""
    asyncio_engines = pytest.importorskip("sqlalchemy.ext.asyncio")
    pytest.importorskip("aiosqlite")
    from sqlalchemy import event, text

    pipeline, findings = subscribed()
    # Of no file: it is no part of the application.
    listener = eval("lambda *_: observe(SLOW)", {"observe": pipeline.observe, "SLOW": SLOW})

    async def innermost() -> None:
        engine = asyncio_engines.create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/empty.db")
        event.listen(engine.sync_engine, "after_cursor_execute", listener)
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
        await engine.dispose()

    async def outermost() -> None:
        await asyncio.create_task(innermost())

    asyncio.run(outermost())
    assert findings[0].location is not None
    assert findings[0].location.function.endswith("innermost")
