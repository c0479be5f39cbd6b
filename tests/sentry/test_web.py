"""Errors that nobody handled in real web services: in their trace, with the database's side of the story."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from launching import Arrived, free_port
from receiver import Spotlight

from otel_dbmon.demo.receiver import Receiver

APPS = Path(__file__).parent / "apps"
BIN = Path(sys.executable).parent
NAME = "zebulon"
COMMANDS = {
    "flask": ("gunicorn", "--bind=127.0.0.1:{port}", "web:flask_app"),
    "flask, 2 preloaded workers": ("gunicorn", "--bind=127.0.0.1:{port}", "--workers=2", "--preload", "web:flask_app"),
    "fastapi": ("uvicorn", "--port={port}", "--log-level=warning", "web:fastapi_app"),
}


class Web:
    """A served application.

    Attributes:
        arrived: What it has exported; complete after the end.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self.arrived = Arrived()

    def visit(self, path: str) -> bytes | None:
        """The answer, or None where the visitor is told of an error; who visits is in a cookie and the body, too."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{path}",
            data=json.dumps({"visitor": f"{NAME}4711"}).encode(),
            headers={"Content-Type": "application/json", "Cookie": f"visitor={NAME}4711"},
            method="GET",
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                answer: bytes = response.read()
                return answer
        except urllib.error.HTTPError:
            return None

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self.visit("/nowhere")
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            else:
                return


@contextmanager
def served(name: str, database: str, environment: Mapping[str, str]) -> Iterator[Web]:
    """Serve under the launcher until the block ends."""
    web = Web(free_port())
    program, *arguments = (part.format(port=web._port) for part in COMMANDS[name])
    with Receiver(web.arrived.take) as receiver:
        process = subprocess.Popen(
            [str(BIN / "opentelemetry-instrument"), str(BIN / program), *arguments],
            cwd=APPS,
            env={
                "PATH": f"{BIN}:/usr/bin:/bin",
                "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
                "OTEL_SERVICE_NAME": "user-svc",
                "OTEL_DBMON_PROMETHEUS": "off",
                "OTEL_DBMON_SLOW_QUERY_THRESHOLD": "200",
                "DATABASE_URL": database,
                **environment,
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            web.wait_until_up()
            yield web
        finally:
            process.terminate()
            try:
                process.wait(30)
            finally:
                process.kill()


def wait_for(condition: Callable[[], object]) -> None:
    """Until it is so, or time is up."""
    deadline = time.monotonic() + 15
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)


def logs(spotlight: Spotlight) -> list[Any]:
    """What was received as log records of the view."""
    return [item for each in spotlight.payloads("log") for item in each["items"] if "account" in item["body"]]


def check_error(event: Any, web: Web) -> None:
    """It is in the trace of the request's span, and says which statement failed."""
    roots = {span.trace_id.hex(): span for span in web.arrived.spans() if span.kind == 2}
    trace = event["contexts"]["trace"]
    assert trace["trace_id"] in roots
    assert trace["span_id"] == roots[trace["trace_id"]].span_id.hex()
    database = event["contexts"]["database"]
    assert database.pop("duration_ms") >= 0
    assert database.pop("connection_pool_usage") in ("7%", "0%")
    assert database == {
        "query": "SELECT * FROM nowhere WHERE name = %(name)s",
        "analysis": "Simple SELECT detected",
        "queries": 2,
        "error_type": "syntax",
        "sqlstate": "42P01",
    }


@pytest.mark.parametrize(
    ("name", "paths", "environment"),
    [
        ("flask", ["/account/zebulon4711?q=zebulon4711"], {}),
        ("fastapi", ["/account/zebulon4711?q=zebulon4711", "/thread/zebulon4711"], {"TRACES": "1"}),
    ],
)
def test_an_error_that_nobody_handled(
    spotlight: Spotlight, database: str, judge: Any, name: str, paths: list[str], environment: dict[str, str]
) -> None:
    """Whether it is reported while the request's span is active or, by FastAPI, when that is over."""
    with served(name, database, {"DSN": spotlight.dsn, **environment}) as web:
        for path in paths:
            assert web.visit(path) is None
        spotlight.wait_for(2 * len(paths))
        # Sentry sends its logs every few seconds, and uvicorn ends without telling it.
        wait_for(lambda: logs(spotlight))
    errors = [event for event in spotlight.events() if "exception" in event]
    assert len(errors) == len(paths)
    for event in errors:
        check_error(event, web)
        assert "errors" not in judge(event)
    logged = [event for event in spotlight.events() if event.get("logger") == "web"]
    assert [event["logentry"]["formatted"] for event in logged] == ["no account for %s"] * len(paths)
    traces = {event["contexts"]["trace"]["trace_id"] for event in errors}
    assert {event["contexts"]["trace"]["trace_id"] for event in logged} == traces
    assert {record["trace_id"] for record in logs(spotlight)} == traces
    assert [each.raw for each in spotlight.envelopes() if NAME.encode() in each.raw] == []


def test_each_worker_tells_of_its_own_slow_queries(spotlight: Spotlight, database: str) -> None:
    """Forked from a master that had Sentry initialised by environment: each has a thread, and ends in time."""
    with served("flask, 2 preloaded workers", database, {"SENTRY_DSN": spotlight.dsn}) as web:
        with ThreadPoolExecutor(4) as pool:
            answers = set(pool.map(web.visit, ["/wait"] * 12))
        spotlight.wait_for(2, 5)
    events = [event for event in spotlight.events() if event.get("logger") == "otel_dbmon"]
    assert len(answers) == 2
    assert [event["message"][:28] for event in events] == ["Slow query detected: SELECT "] * 2
    spans = {span.span_id.hex() for span in web.arrived.statements()}
    assert {event["contexts"]["trace"]["span_id"] for event in events} < spans
