"""Statements that a grammar makes, in every dialect, with hostile values, names and comments at every place."""

from __future__ import annotations

from random import Random

import pytest
from effort import examples
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from sql_grammar import MARKS, SYSTEMS, statement

from otel_dbmon_processors.analysis import Analysis, Analyzer, analyze

# The number of a statement that the grammar makes.
numbers = st.integers(0, 2**40)
each_system = pytest.mark.parametrize("system", SYSTEMS)


def leaks(said: Analysis) -> bool:
    """Whether a mark is in anything but the fingerprint, whose digits are chance."""
    texts = (said.sanitized, said.operation, *said.collections, said.table, said.summary, said.explanation)
    return any(mark in text.lower() for mark in MARKS for text in texts)


@each_system
@given(number=numbers)
@settings(max_examples=examples(100), deadline=None)
def test_no_value_leaves(system: str, number: int) -> None:
    """Neither does a comment."""
    text = statement(Random(number), system).text
    note(text)
    assert not leaks(analyze(text, system))


@each_system
@given(number=numbers)
@settings(max_examples=examples(60), deadline=None)
def test_no_value_leaves_where_nobody_knows_the_dialect(system: str, number: int) -> None:
    """The lexer follows every reading; only SQL Server's money looks like a parameter."""
    text = statement(Random(number), system).text
    note(text)
    assume("$7" not in text)
    assert not leaks(analyze(text))


@each_system
@given(number=numbers)
@settings(max_examples=examples(5), deadline=None)
def test_no_value_leaves_however_a_statement_is_cut_off(system: str, number: int) -> None:
    """At every single character, with the dialect known and unknown."""
    text = statement(Random(number), system).text[:400]
    assume("$7" not in text)
    for end in range(len(text)):
        note(text[:end])
        assert not leaks(analyze(text[:end], system))
        assert not leaks(analyze(text[:end]))


@each_system
@given(number=numbers)
@settings(max_examples=examples(60), deadline=None)
def test_a_comment_changes_nothing(system: str, number: int) -> None:
    """The text without its comments, the same names, the same fingerprint."""
    made = statement(Random(number), system)
    note(made.text)
    assert tuple(analyze(made.text, system)) == tuple(analyze(made.bare, system))


@each_system
@given(number=numbers)
@settings(max_examples=examples(60), deadline=None)
def test_other_values_change_nothing(system: str, number: int) -> None:
    """Statements that differ in their values only have one analysis, from the caches and at a fresh look."""
    text = statement(Random(number), system).text
    note(text)
    analyzer = Analyzer()
    said = analyze(text, system)
    for one in (text, text.replace("zq", "othertext").replace("7", "88")):
        assert tuple(analyzer.analyze(one, system)) == tuple(analyze(one, system)) == tuple(said)


@each_system
@given(number=numbers)
@settings(max_examples=examples(60), deadline=None)
def test_what_was_sanitized_stays(system: str, number: int) -> None:
    """A sanitized statement keeps its text and its fingerprint, whether the dialect is known or not."""
    text = statement(Random(number), system).text
    note(text)
    for reader in (system, ""):
        once = analyze(text, reader)
        twice = analyze(once.sanitized, reader)
        assert (twice.sanitized, twice.fingerprint) == (once.sanitized, once.fingerprint)
