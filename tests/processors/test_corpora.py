"""Statements with answers that published suites expect.

They lie beside the project, or where OTEL_DBMON_CORPORA says, and never in it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from otel_dbmon_processors.analysis import Analyzer, analyze

BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "corpora"
CORPORA = Path(os.environ.get("OTEL_DBMON_CORPORA") or BESIDE).absolute()
MISSES = Path(__file__).with_name("corpora_misses.yaml")
# What has to be reached over all suites together, in hundredths.
REQUIRED = {
    "text": 97,
    "summary": 97,
    "summary_absent": 97,
    "operation": 97,
    "tables": 97,
    "first_table": 97,
    "no_leak": 100,
    "no_crash": 100,
    "fp_groups_unsplit": 100,
    "fp_no_merge": 100,
}


def answers(sql: str, dialect: str) -> dict[str, Any]:
    """What ``score.py`` asks for."""
    analysis = analyze(sql, "" if dialect == "any" else dialect)
    return {
        "sanitized": analysis.sanitized,
        "operation": analysis.operation,
        "collections": list(analysis.collections),
        "summary": analysis.summary,
        "fingerprint": analysis.fingerprint,
    }


@pytest.fixture(scope="module")
def corpora() -> Path:
    """The folder; without it these tests have nothing to say, which CI does not accept."""
    if not (CORPORA / "score.py").is_file():
        reason = f"no corpora in {CORPORA}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return CORPORA


@pytest.fixture(scope="module")
def cases(corpora: Path) -> list[dict[str, Any]]:
    """All cases, also those that are not scored."""
    # Not split at every line's end that a statement may hold.
    files = [file.read_text(encoding="utf-8").split("\n") for file in sorted(corpora.glob("*.jsonl"))]
    return [json.loads(line) for lines in files for line in lines if line]


@pytest.fixture(scope="module")
def report(corpora: Path) -> str:
    """What ``score.py`` prints about every suite and every miss."""
    # In a process of its own: it leaves files open.
    command = [sys.executable, str(corpora / "score.py"), f"{Path(__file__).stem}:answers", "--show", "100000"]
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return subprocess.run(
        command, check=True, capture_output=True, encoding="utf-8", env={**os.environ, "PYTHONPATH": path}
    ).stdout


def test_every_metric_is_reached(report: str) -> None:
    """Over all suites together, each metric is at least what was agreed."""
    hits: Counter[str] = Counter()
    cases: Counter[str] = Counter()
    for line in report.splitlines():
        if not line.startswith(" "):
            for metric, hit, total in re.findall(r" ([a-z_]+) (\d+)/(\d+)", line):
                hits[metric] += int(hit)
                cases[metric] += int(total)
    shares = {metric: 100 * hits[metric] / total for metric, total in cases.items()}
    assert set(shares) == set(REQUIRED)
    assert {metric: share for metric, share in shares.items() if share < REQUIRED[metric]} == {}


def test_every_miss_is_known(report: str) -> None:
    """A new miss has to be fixed or explained, an explained one that is none any more has to be struck out."""
    found = {(case, metric) for metric, case in re.findall(r"^     \| (\w+) \| '([^']+)'", report, re.MULTILINE)}
    reasons = yaml.safe_load(MISSES.read_text(encoding="utf-8"))
    listed = {(case, entry["metric"]) for entry in reasons for case in entry["cases"]}
    assert found - listed == set()
    assert listed - found == set()
    assert all(entry["reason"] for entry in reasons)


def test_no_secret_is_left_in_malformed_statements(cases: list[dict[str, Any]]) -> None:
    """They are not scored, and they are what people paste; nor is there a comment in which a secret may stay."""
    for case in cases:
        text = analyze(case["sql"], case["dialect"]).sanitized.lower()
        if not case.get("quirk"):
            assert not any(secret.lower() in text for secret in case.get("secrets", ())), case["id"]


def test_a_sanitized_statement_stays_as_it_is(cases: list[dict[str, Any]]) -> None:
    """Text and fingerprint of what was sanitized before."""
    for case in cases:
        once = analyze(case["sql"], case["dialect"])
        twice = analyze(once.sanitized, case["dialect"])
        assert (twice.sanitized, twice.fingerprint) == (once.sanitized, once.fingerprint), case["id"]


def test_a_warm_cache_says_the_same(cases: list[dict[str, Any]]) -> None:
    """From a cache, by statement or by template, comes what a fresh look gives."""
    analyzer = Analyzer(max_query_length=1_000_000)
    for case in cases:
        for _ in range(3):
            found = analyzer.analyze(case["sql"], case["dialect"])
            assert tuple(found) == tuple(analyze(case["sql"], case["dialect"])), case["id"]
