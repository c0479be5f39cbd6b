"""A value that a person typed leaves through nothing: on PostgreSQL, under the launcher, however errors are handled."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest
from launching import Launched
from server import Server

CANARY = "canary4711"
APP = Path(__file__).parent / "apps" / "canary.py"


@pytest.fixture(scope="module")
def launched(server: Server) -> Launched:
    """One run, with traces, metrics and logs on their way to the receiver, and a scrape in the middle."""
    environment = {
        "DATABASE_URL": server.url,
        "CANARY": CANARY,
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "true",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "",
    }
    with Launched(str(APP), environment) as running:
        while (line := running.output.readline()).strip() != "ready":
            assert line, running.errors
        with urllib.request.urlopen(f"http://localhost:{running.port}/metrics", timeout=10) as response:
            running.scrape = response.read().decode()  # type: ignore[attr-defined]
    return running


def test_no_payload_holds_the_value(launched: Launched) -> None:
    """Traces, metrics and logs: every one arrived, and none has it."""
    kinds = {type(message).__name__ for message in launched.arrived.messages}
    assert kinds == {"ExportTraceServiceRequest", "ExportMetricsServiceRequest", "ExportLogsServiceRequest"}
    held = [type(message).__name__ for message in launched.arrived.messages if CANARY in str(message)]
    assert held == []
    assert CANARY.encode() not in launched.arrived.raw


def test_no_scrape_holds_the_value(launched: Launched) -> None:
    """The Prometheus endpoint, in the middle of it all."""
    scrape: str = launched.scrape  # type: ignore[attr-defined]
    assert "database_errors_total" in scrape
    assert CANARY not in scrape


def test_no_log_line_of_ours_holds_the_value(launched: Launched) -> None:
    """What the application itself prints of its errors is its own business."""
    ours = [line for line in launched.errors.splitlines() if "otel-dbmon" in line or "otel_dbmon" in line]
    assert [line for line in ours if CANARY in line] == []


def test_it_was_there_to_be_found(launched: Launched) -> None:
    """The statements ran, the errors happened, the last one ended the process."""
    spans = launched.arrived.spans()
    assert sum(span.name == "request" for span in spans) == 54
    assert sum(span.status.code == 2 for span in spans) > 100
    assert launched.process.returncode == 1
    assert CANARY in launched.errors
