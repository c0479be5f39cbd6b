"""Advice: said where the text proves it, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from cases_of import Case, cases_in
from hypothesis import given
from hypothesis import strategies as st

from otel_dbmon_processors.advice import TOPICS, Adviser
from otel_dbmon_processors.analysis import analyze
from otel_dbmon_processors.finding import KINDS, SLOW_QUERY, Advice

CASES = cases_in("advice")
VALUE = "canary4711"


def advise(sql: str, dialect: str = "", kind: str = SLOW_QUERY, **more: Any) -> tuple[Advice, ...]:
    """What a new adviser says."""
    return Adviser().advise(kind, analyze(sql, dialect), sql, dialect, **more)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_the_text_proves_is_said(case: Case) -> None:
    """These topics in this order, no others; a word of the remedy where the case names one."""
    kind, loading = case.expected.get("kind", SLOW_QUERY), case.expected.get("loading", "")
    said = advise(case.sql, case.dialect, kind, repeats=5, source=analyze("SELECT id FROM orders"), loading=loading)
    assert [advice.topic for advice in said] == case.expected["topics"]
    if "says" in case.expected:
        assert case.expected["says"] in said[0].remedy


def test_each_topic_is_said_and_not_said_by_some_case() -> None:
    """No rule is without a case that it holds for."""
    assert {topic for case in CASES for topic in case.expected["topics"]} == set(TOPICS)


def test_no_value_is_said() -> None:
    """Neither of the statement, whatever it pastes, nor of the query before it."""
    for case in CASES:
        pasted = case.sql.replace("'x", f"'{VALUE}").replace("'%x", f"'%{VALUE}").replace("7", "4711")
        for kind in KINDS:
            for advice in advise(pasted, case.dialect, kind, source=analyze("SELECT a FROM t WHERE b = 4711")):
                assert not any("4711" in text for text in advice)


def test_a_second_statement_of_the_pattern_gets_the_same() -> None:
    """What is remembered of a pattern does not hold what only one statement's literals prove."""
    adviser = Adviser()
    anchored, floating = "SELECT a FROM t WHERE b LIKE 'x%'", "SELECT a FROM t WHERE b LIKE '%x'"
    analysis = analyze(anchored)
    assert adviser.advise(SLOW_QUERY, analysis, floating, "") != ()
    assert adviser.advise(SLOW_QUERY, analysis, anchored, "") == ()


@given(st.text(max_size=60), st.sampled_from(["", "postgresql", "mysql", "sqlite"]))
def test_no_text_breaks_it(text: str, dialect: str) -> None:
    """Whatever stands there, also behind the beginning of a query."""
    for sql in (text, f"SELECT a FROM t, {text}", f"SELECT a FROM t WHERE {text}", f"DELETE FROM {text}"):
        advise(sql, dialect)
