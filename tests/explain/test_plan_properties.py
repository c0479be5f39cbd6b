"""No value leaves with a plan, and none goes to the server with a question, whatever conditions and statements hold."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest
from effort import examples
from hypothesis import given, note, settings
from hypothesis import strategies as st
from sql_grammar import MARKS, condition, statement

from otel_dbmon.explain.mask import masked, named
from otel_dbmon.explain.reading import template_of
from otel_dbmon.explain.template import TemplateError, colon, dollar
from otel_dbmon.explain.tree import MAX_TEXT, plan_of

SYSTEMS = ("postgresql", "sqlite")
QUOTED_NAME = re.compile(r'"(?:[^"]|"")*"')
numbers = st.integers(0, 2**40)
each_system = pytest.mark.parametrize("system", SYSTEMS)
#: Of each key a plan may have, known to us or not.
KEYS = (
    *("Filter", "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "One-Time Filter", "Order By"),
    *("TID Cond", "Conflict Filter", "Function Call", "Remote SQL", "Output", "Settings", "Query Text", "Relations"),
)


def leaks(text: str) -> bool:
    """Whether a value is in it."""
    return any(mark in text.lower() for mark in MARKS)


@each_system
@given(number=numbers)
@settings(max_examples=examples(200), deadline=None)
def test_no_condition_keeps_a_value(system: str, number: int) -> None:
    """And what is masked is masked already."""
    text = condition(Random(number), system)
    note(text)
    safe = masked(text, system)
    assert not leaks(safe)
    assert masked(safe, system) == safe


@each_system
@given(number=numbers)
@settings(max_examples=examples(5), deadline=None)
def test_no_condition_that_was_cut_off_keeps_a_value(system: str, number: int) -> None:
    """At every single character."""
    text = condition(Random(number), system)[:300]
    for end in range(len(text)):
        note(text[:end])
        assert not leaks(masked(text[:end], system))


@given(text=st.text(max_size=60))
@settings(max_examples=examples(200), deadline=None)
def test_any_text_is_masked_or_dropped(text: str) -> None:
    """Neither a quote nor a number is left of it, names in double quotes aside; and a name stays on its line."""
    for system in SYSTEMS:
        safe = masked(text, system)
        assert masked(safe, system) == safe
        assert "'" not in QUOTED_NAME.sub("", safe)
    assert "\n" not in named(text)


@given(numbers=st.lists(numbers, min_size=1, max_size=6))
@settings(max_examples=examples(60), deadline=None)
def test_no_plan_keeps_a_value(numbers: list[int]) -> None:
    """Of nodes with conditions at every key, also at those that we don't know."""
    root: dict[str, Any] = {}
    node = root
    for number in numbers:
        chance = Random(number)
        node.update({key: condition(chance, "postgresql") for key in KEYS})
        node.update({"Node Type": "Seq Scan", "Relation Name": "users", "Total Cost": 1.5, "Plan Rows": 3})
        node.update({key: [condition(chance, "postgresql")] for key in ("Sort Key", "Group Key", "Values")})
        node["Plans"] = [{}]
        node = node["Plans"][0]
    plan = plan_of(root)
    assert not leaks(plan.text)
    assert not leaks("".join(plan.steps))
    assert len(plan.text) <= MAX_TEXT


@each_system
@given(number=numbers)
@settings(max_examples=examples(200), deadline=None)
def test_no_question_holds_a_value(system: str, number: int) -> None:
    """Nor a second statement; what a text in quotes says never gets there."""
    text = statement(Random(number), system).text
    note(text)
    try:
        question = template_of(text, system).text(dollar if system == "postgresql" else colon)
    except TemplateError:
        return
    assert "zq" not in question
    assert ";" not in question.replace("a;b", "")
    assert "--" not in question.replace("a--b", "")
