"""The demo from start to end, in a process of its own, as somebody runs it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from otel_dbmon.demo.traffic import CANARIES

pytest.importorskip("flask", reason="the demo's extra is not installed")
pytestmark = pytest.mark.slow

DEMO = [sys.executable, "-m", "otel_dbmon", "demo"]


def answers(url: str) -> bool:
    """Whether somebody listens there."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as response:
            return bool(response.status == 200)
    except urllib.error.URLError:
        return False


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo leaves its files."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def done(folder: Path) -> subprocess.CompletedProcess[str]:
    """A short demo with its output in a pipe."""
    return subprocess.run(
        [*DEMO, "--duration", "8", "--output", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )


def test_it_works(done: subprocess.CompletedProcess[str]) -> None:
    """Every check is kept, and nothing is said on standard error."""
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "FAILED" not in done.stdout


def test_the_screen_shows_all_that_was_seen(done: subprocess.CompletedProcess[str]) -> None:
    """Progress, the table, a statement before and after, the series, the checks and where to look next."""
    shown = done.stdout
    assert "\x1b" not in shown
    assert len(re.findall(r"^ +\d+ s of 8 s: [\d,]+ requests", shown, re.MULTILINE)) >= 3
    for column in ("Summary", "Type", "Complexity", "Calls", "p50 ms", "p95 ms", "Errors"):
        assert column in shown
    for row in (
        r"SELECT products +select +low",
        r"SELECT reviews customers +join +medium",
        r"SELECT reviews +aggregate +medium",
        r"SELECT customers orders order_items SELECT SELECT +cte +high",
        r"INSERT customers +insert +low",
    ):
        assert re.search(row, shown), row
    for found in (r"N\+1 +SELECT customers +app.py:\d+", r"slow +\w+ \w+ +app.py:\d+"):
        assert re.search(found, shown), found
    assert "In the shop" in shown
    assert "c.email = 'rufus.vw47tp@example.com'" in shown
    assert "c.email = ? OR c.city = ?" in shown
    for series in (
        'database_query_duration_seconds_count{database="shop.db",operation="SELECT",service="shop",table="products"}',
        "database_connections_active{",
        "database_errors_total{",
        'error_type="timeout"',
        'error_type="integrity"',
    ):
        assert series in shown
    assert "Where to look next" in shown


def test_spans_are_left_as_an_exporter_was_handed_them(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    """OTLP JSON lines of one service, with nothing in them that was typed."""
    text = (folder / "spans.jsonl").read_text(encoding="utf-8")
    assert "example.com" not in text
    spans = [
        span
        for line in text.splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    assert len(spans) > 100
    assert all(re.fullmatch("[0-9a-f]{32}", span["traceId"]) for span in spans)
    assert any(span["name"] == "SELECT reviews customers" for span in spans)
    assert any(span["name"].startswith("GET /") for span in spans)


def test_the_last_scrape_is_left(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    """As a Prometheus server would have got it."""
    page = (folder / "metrics.prom").read_text(encoding="utf-8")
    assert page.startswith("# HELP ")
    assert "database_query_duration_seconds_bucket{" in page


def test_a_report_is_left(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    """With lines of code, an index and charts, and none of the values that were planted."""
    pytest.importorskip("pygal", reason="the extra of the report is not installed")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert f"{folder.name}/report.html (open it in a browser)" in done.stdout
    assert re.search(r"<td[^>]*>N\+1</td>.*<code>app\.py:\d+</code>", page)
    assert "CREATE INDEX reviews_customer_id_idx ON reviews (customer_id);" in page
    assert page.count("<svg") == 2
    assert not [canary for canary in CANARIES if canary in page]


def test_it_can_stay_up_until_ctrl_c(tmp_path: Path) -> None:
    """Shop and Prometheus endpoint answer at the addresses it prints, and are gone afterwards."""
    command = [*DEMO, "--serve", "--duration", "5", "--output", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        shown = ""
        while "Serving until Ctrl-C" not in shown:
            line = process.stdout.readline()
            assert line, shown
            shown += line
        shop, metrics = re.findall(r"http://127\.0\.0\.1:\d+/(?:orders|metrics)", shown)
        assert answers(shop)
        assert answers(metrics)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, ""), rest
    assert not answers(shop)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_everything(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """Quietly, and the shop with it."""
    command = [*DEMO, "--duration", "60", "--output", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        shown = ""
        while " s of 60 s" not in shown:
            shown += process.stdout.readline()
        (shop,) = re.findall(r"http://127\.0\.0\.1:\d+", shown)
        assert answers(f"{shop}/health")
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors.strip()) == (code, "")
    assert not answers(f"{shop}/health")


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    """With what to do about it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        failed = subprocess.run(
            [*DEMO, "--port", port, "--output", str(tmp_path)], capture_output=True, text=True, check=False
        )
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith(f"otel-dbmon demo: Port {port} cannot be used")


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """Before anything is started."""
    (tmp_path / "file").write_text("")
    start = time.monotonic()
    failed = subprocess.run(
        [*DEMO, "--output", str(tmp_path / "file" / "x")], capture_output=True, text=True, check=False
    )
    assert failed.returncode == 1
    assert failed.stderr.startswith("otel-dbmon demo: Cannot write to ")
    assert time.monotonic() - start < 15


def test_what_sentry_gets_is_kept_and_shown(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    """Without a Sentry of one's own: every line of the envelopes, and one event on the screen."""
    lines = [json.loads(line) for line in (folder / "sentry.jsonl").read_text().splitlines()]
    assert sum("sent_at" in line for line in lines) >= 1
    events = [line for line in lines if "contexts" in line]
    assert [event for event in events if event["contexts"].get("database")]
    assert "What Sentry gets" in done.stdout
    assert events[0]["contexts"]["trace"]["trace_id"] in (folder / "spans.jsonl").read_text()
