"""`otel-dbmon report` as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from filling import HOSTILE, SLOWER

from otel_dbmon.command import main

END = ("--end", "2026-03-02")
PAGE = """# TYPE database_query_duration_seconds histogram
database_query_duration_seconds_bucket{service="shop",operation="SELECT",table="users",database="db",le="0.1"} 90
database_query_duration_seconds_bucket{service="shop",operation="SELECT",table="users",database="db",le="1.0"} 100
database_query_duration_seconds_bucket{service="shop",operation="SELECT",table="users",database="db",le="+Inf"} 100
database_query_duration_seconds_count{service="shop",operation="SELECT",table="users",database="db"} 100
database_query_duration_seconds_sum{service="shop",operation="SELECT",table="users",database="db"} 7
"""
SPAN = {
    "attributes": [
        {"key": "db.query.summary", "value": {"stringValue": "SELECT users"}},
        {"key": "dbmon.n_plus_one", "value": {"boolValue": True}},
        {"key": "code.file.path", "value": {"stringValue": "app.py"}},
        {"key": "code.line.number", "value": {"intValue": "7"}},
        {"key": "code.function.name", "value": {"stringValue": "<listcomp>"}},
    ]
}
RESOURCE = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
ADVICE = {
    "proof": "cost",
    "suggestions": [
        {
            "table": "users",
            "create": "CREATE INDEX users_email_idx ON users (email);",
            "services": ["shop"],
            "statements": [{"saving": 0.99}, {"saving": None}],
        }
    ],
}


@pytest.fixture
def scrape(tmp_path: Path) -> Path:
    """A page as a service's endpoint gives it."""
    path = tmp_path / "metrics.prom"
    path.write_text(PAGE)
    return path


def test_markdown_goes_to_standard_output(scrape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing else is asked for; one scrape says that it has no period."""
    assert main(["report", "--scrape", str(scrape)]) == 0
    shown = capsys.readouterr().out
    assert "# Database report" in shown
    assert "| `shop` | 100 | 70.0 ms |" in shown
    assert "A scrape has no period" in shown


def test_a_period_is_written_in_all_forms(filled: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same numbers in the page, in Markdown and in JSON; --check tells what became slower by its exit code."""
    page, text, numbers = (tmp_path / name for name in ("r.html", "r.md", "r.json"))
    files = ["--html", str(page), "--markdown", str(text), "--json", str(numbers)]
    assert main(["report", "--prometheus", filled, *END, *files, "--check"]) == 3
    said = capsys.readouterr()
    assert SLOWER in said.err
    report = json.loads(numbers.read_text())
    shop = next(each for each in report["services"] if each["service"] == "shop")
    assert f"{shop['statements']['now']:,.0f}" in page.read_text()
    assert f"{shop['statements']['now']:,.0f}" in text.read_text()
    assert HOSTILE in {each["service"] for each in report["services"]}


def test_one_service_is_told_of(filled: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With --service; a name that is a pattern of all is none."""
    assert main(["report", "--prometheus", filled, *END, "--service", "billing", "--json", "-"]) == 0
    assert {each["service"] for each in json.loads(capsys.readouterr().out)["services"]} == {"billing"}
    assert main(["report", "--prometheus", filled, *END, "--service", ".*", "--service", HOSTILE, "--json", "-"]) == 0
    assert {each["service"] for each in json.loads(capsys.readouterr().out)["services"]} == {HOSTILE}


def test_lines_and_indexes_come_from_files(scrape: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Spans say where in the code, the advisor which index."""
    spans, advice = tmp_path / "spans.jsonl", tmp_path / "advice.json"
    request = {"resourceSpans": [{"resource": RESOURCE, "scopeSpans": [{"spans": [SPAN, SPAN, {}]}]}]}
    spans.write_text(json.dumps(request) + "\n\n" + json.dumps({"resourceSpans": []}) + "\n")
    advice.write_text(json.dumps(ADVICE))
    files = ["--spans", str(spans), "--advice", str(advice)]
    assert main(["report", "--scrape", str(scrape), *files]) == 0
    shown = capsys.readouterr().out
    assert "| N\\+1 | `shop` | `app.py:7` | `<listcomp>` | `SELECT users` | 2 |" in shown
    assert "| `users` | `CREATE INDEX users_email_idx ON users (email);` | `shop` | 2 | 99% |" in shown
    assert main(["report", "--scrape", str(scrape), *files, "--service", "other"]) == 1
    assert "holds no" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "--prometheus URL, or --scrape FILE"),
        (("--prometheus", "http://127.0.0.1:1", "--scrape", "SCRAPE"), 2, "--prometheus URL, or --scrape FILE"),
        (("--prometheus", "http://user:s3cret@127.0.0.1:1"), 1, "Connection refused"),
        (("--scrape", "BROKEN"), 1, "is no page of metrics"),
        (("--scrape", "SCRAPE", "--spans", "BROKEN"), 1, "line 1 is no OTLP JSON object"),
        (("--scrape", "SCRAPE", "--advice", "BROKEN"), 1, "no answer of `otel-dbmon advise"),
        (("--scrape", "SCRAPE", "--period", "10m"), 2, "between one hour and 366 days"),
        (("--scrape", "SCRAPE", "--period", "soon"), 2, "expected a time like"),
        (("--scrape", "SCRAPE", "--end", "soon"), 2, "expected a moment like"),
        (("--scrape", "SCRAPE", "--mail-to", "a@example.com"), 2, "--mail-from"),
        (("--scrape", "SCRAPE", "--html", "SCRAPE/r.html"), 1, "r.html: "),
        (
            ("--scrape", "SCRAPE", "--mail-to", "a@e.com", "--mail-from", "b@e.com", "--smtp", "127.0.0.1:1"),
            1,
            "Connection refused",
        ),
        (
            ("--scrape", "SCRAPE", "--mail-to", "a@e.com", "--mail-from", "b@e.com", "--smtp", "127.0.0.1:x"),
            1,
            "an address or a port is none",
        ),
    ],
)
def test_what_is_wrong_is_said(
    arguments: tuple[str, ...],
    code: int,
    said: str,
    scrape: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In a sentence that says what and where, and no secret."""
    broken = tmp_path / "broken"
    broken.write_text("{ this is nothing")
    names = {"SCRAPE": str(scrape), "BROKEN": str(broken), "SCRAPE/r.html": f"{scrape}/r.html"}
    assert main(["report", *(names.get(each, each) for each in arguments)]) == code
    shown = capsys.readouterr().err
    assert said in shown
    assert "s3cret" not in shown
