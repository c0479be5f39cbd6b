"""Published statements with known answers, scored by the corpora's own script; ``corpora_misses.yaml`` has each miss.

The corpora lie beside the project or where OTEL_DBMON_CORPORA says, and are never copied into it.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import runpy
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from otel_dbmon_processors.analysis import Analyzer, analyze

HERE = Path(__file__).parent
CORPORA = Path(os.environ.get("OTEL_DBMON_CORPORA") or HERE.parents[1].parent / "shared" / "corpora")
MISSES = HERE / "corpora_misses.yaml"

#: A line of the script's report is a suite's name and figures, or what was asked, the case's name, what was said.
_FIGURE = re.compile(r"(\w+) (\d+)/(\d+)")
_MISS = re.compile(r"\s+\| (\w+) \| ('[^']+')")


@dataclass
class Score:
    """What the script says of all suites together."""

    right: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    misses: set[tuple[str, str]] = field(default_factory=set)

    def read(self, line: str) -> None:
        """Add one line of the script's report."""
        if miss := _MISS.match(line):
            self.misses.add((miss[1], ast.literal_eval(miss[2])))
            return
        for metric, right, asked in _FIGURE.findall(line):
            self.right[metric] += int(right)
            self.asked[metric] += int(asked)


def answers(sql: str, dialect: str) -> dict[str, Any]:
    """What the script wants to know about a statement."""
    said = analyze(sql, dialect)
    return {
        "sanitized": said.sanitized,
        "operation": said.operation,
        "collections": list(said.collections),
        "summary": said.summary,
        "fingerprint": said.fingerprint,
    }


@pytest.fixture(scope="module")
def corpora() -> Path:
    """The folder of the corpora; without it these tests have nothing to say, which CI does not accept."""
    if not (CORPORA / "score.py").is_file():
        reason = f"the corpora are not in {CORPORA}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return CORPORA


@pytest.fixture(scope="module")
def score(corpora: Path) -> Score:
    """The script's report on our answers."""
    report = io.StringIO()
    with contextlib.redirect_stdout(report), pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        # The script leaves its files to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        patch.setattr(sys, "argv", ["score.py", f"{__name__}:answers", "--show", "1000"])
        patch.setattr(sys, "path", list(sys.path))
        runpy.run_path(str(corpora / "score.py"), run_name="__main__")
    score = Score()
    for line in report.getvalue().splitlines():
        score.read(line)
    return score


@pytest.fixture(scope="module")
def cases(corpora: Path) -> list[dict[str, Any]]:
    """All cases, those that are not scored too."""
    return [json.loads(line) for suite in sorted(corpora.glob("*.jsonl")) for line in lines_of(suite)]


def lines_of(suite: Path) -> Iterator[str]:
    """A suite's lines: a statement may hold characters at which ``splitlines`` splits."""
    with suite.open(encoding="utf-8") as file:
        yield from file


@pytest.mark.parametrize("metric", ["text", "summary", "operation", "tables", "first_table"])
def test_nearly_all_answers_are_the_expected_ones(score: Score, metric: str) -> None:
    """At least 97 of 100."""
    assert score.asked[metric] >= 100
    assert score.right[metric] >= 0.97 * score.asked[metric], f"{score.right[metric]} of {score.asked[metric]}"


@pytest.mark.parametrize("metric", ["no_leak", "no_crash", "summary_absent", "fp_groups_unsplit", "fp_no_merge"])
def test_every_answer_is_the_expected_one(score: Score, metric: str) -> None:
    """No leak, no crash, no summary of what is no statement, one fingerprint a group."""
    assert score.asked[metric]
    assert score.right[metric] == score.asked[metric]


def test_each_miss_is_known_and_has_its_reason(score: Score) -> None:
    """A new miss fails, and so does a listed one that is right by now."""
    listed = yaml.safe_load(MISSES.read_text(encoding="utf-8"))
    assert all(entry["reason"].strip() for entry in listed)
    known = {(entry["metric"], entry["id"]) for entry in listed}
    assert len(known) == len(listed), "listed twice"
    assert score.misses - known == set(), "missed, and not listed"
    assert known - score.misses == set(), "listed, and right"


def test_no_secret_is_left_anywhere(cases: list[dict[str, Any]]) -> None:
    """Malformed statements have secrets too; and unlike the script, this looks at comments."""
    leaks = [
        case["id"]
        for case in cases
        for said in [analyze(case["sql"], case["dialect"]).sanitized.lower()]
        if not case.get("quirk") and any(secret.lower() in said for secret in case.get("secrets", ()))
    ]
    assert leaks == []


def test_sanitizing_twice_changes_nothing(cases: list[dict[str, Any]]) -> None:
    """Text, operation and fingerprint of a sanitized statement are those of the statement."""
    for case in cases:
        once = analyze(case["sql"], case["dialect"])
        twice = analyze(once.sanitized, case["dialect"])
        assert twice.sanitized == once.sanitized, case["id"]
        assert twice.fingerprint == once.fingerprint, case["id"]


def test_a_warm_cache_says_the_same(cases: list[dict[str, Any]]) -> None:
    """From a cache, by statement or by template, comes what a fresh look gives."""
    analyzer = Analyzer(max_query_length=1_000_000)
    for case in cases:
        for _ in range(3):
            found = analyzer.analyze(case["sql"], case["dialect"])
            assert tuple(found) == tuple(analyze(case["sql"], case["dialect"])), case["id"]
