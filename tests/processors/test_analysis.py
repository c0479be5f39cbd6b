"""The analyzer remembers, within bounds, and never raises."""

from __future__ import annotations

import sys
import threading
import tracemalloc

import pytest

from otel_dbmon_processors import analysis as module
from otel_dbmon_processors.analysis import Analysis, Analyzer, analyze
from otel_dbmon_processors.guard import Guard


def test_an_analysis_is_a_key_by_identity() -> None:
    """Tallies are kept by analysis: comparing nine texts at each lookup would cost more than counting."""
    first, second = analyze("SELECT 1"), analyze("SELECT 1")
    assert tuple(first) == tuple(second)
    assert first != second
    assert len({first, second}) == 2


def test_one_pattern_is_one_object() -> None:
    """Other literals, lists of other lengths and other white space find the analysis that is there."""
    analyzer = Analyzer()
    first = analyzer.analyze("SELECT a FROM t WHERE b IN (1, 2) AND c = 'x'", "postgresql")
    assert analyzer.analyze("SELECT a FROM t WHERE b IN (1, 2) AND c = 'y'", "postgresql") is first
    assert analyzer.analyze("SELECT a FROM t WHERE b IN (1, 2, 3) AND c = 'y'", "postgresql") is first
    assert analyzer.analyze("SELECT a\n  FROM t WHERE b IN (7) AND c = 'y' -- z", "postgresql") is first


def test_dialects_do_not_share_what_they_read_differently() -> None:
    """A name here is a literal there."""
    analyzer = Analyzer()
    text = 'SELECT a FROM t WHERE b = "x"'
    for _ in range(3):
        assert analyzer.analyze(text, "postgresql").sanitized == text
        assert analyzer.analyze(text, "mysql").sanitized == "SELECT a FROM t WHERE b = ?"


def test_tables_in_string_quotes_are_not_shared() -> None:
    """Two texts with one template may name two tables there."""
    analyzer = Analyzer()
    assert analyzer.analyze("SELECT a FROM 'x' WHERE b = 1", "sqlite").summary == "SELECT 'x'"
    assert analyzer.analyze("SELECT a FROM 'y' WHERE b = 2", "sqlite").summary == "SELECT 'y'"


def test_reset_forgets() -> None:
    """A forked child starts with empty caches and new locks."""
    analyzer = Analyzer()
    first = analyzer.analyze("SELECT a FROM t")
    analyzer.reset()
    assert analyzer.analyze("SELECT a FROM t") is not first


def test_a_failure_is_counted_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail closed: no text, no names, and no exception for the service."""
    guard = Guard()
    analyzer = Analyzer(guard=guard)

    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(module, "_Room", fail)
    found = analyzer.analyze("SELECT 'secret'", "postgresql")
    assert (found.sanitized, found.summary, found.collections) == ("", "", ())
    assert guard.failures == {"analysis": 1}


def test_what_is_no_text_does_not_raise() -> None:
    """Instrumentations hand over what they have."""
    guard = Guard()
    analyzer = Analyzer(guard=guard)
    for value in (None, b"SELECT 1", ["SELECT 1"], 5):
        assert analyzer.analyze(value, "postgresql").sanitized == ""  # type: ignore[arg-type]


def test_long_texts_are_shortened_between_words_and_counted() -> None:
    """The limit is on what leaves; a long list of literals is short by then."""
    guard = Guard()
    analyzer = Analyzer(max_query_length=100, guard=guard)
    columns = ", ".join([f"column_{index}" for index in range(50)])
    found = analyzer.analyze(f"SELECT {columns} FROM t")
    assert len(found.sanitized) <= 100
    assert found.sanitized.endswith(",")
    assert guard.dropped == {"query_text": 1}
    numbers = ", ".join(map(str, range(300)))
    assert analyzer.analyze(f"SELECT a FROM t WHERE b IN ({numbers})").sanitized == "SELECT a FROM t WHERE b IN (?)"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT a FROM t WHERE b = {0} AND c = 'x{0}'",
        "SELECT a{0} FROM t{0} WHERE b{0} = {0} AND c = 'x{0}'",
        "SELECT a FROM t WHERE b = 'é{0}' AND c{0} = " + "'y' || " * 100 + "'z'",
    ],
)
def test_caches_are_bounded(statement: str) -> None:
    """Distinct texts and distinct templates add a fixed amount at most."""
    analyzer = Analyzer(cache_size=100)
    for index in range(200):
        analyzer.analyze(statement.format(index))
    tracemalloc.start()
    try:
        for index in range(5000):
            analyzer.analyze(statement.format(index))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2_000_000


def test_a_long_statement_is_not_kept() -> None:
    """Neither as a statement nor as a template."""
    analyzer = Analyzer()
    text = "SELECT a FROM t WHERE b = '" + "x" * 2_000_000 + "'"
    before = sys.getrefcount(text)
    for _ in range(3):
        analyzer.analyze(text)
    assert sys.getrefcount(text) == before


def test_statements_that_come_again_stay() -> None:
    """A flood of texts seen once does not push them out of the first cache."""
    analyzer = Analyzer(cache_size=10)
    for _ in range(2):
        analyzer.analyze("SELECT hot FROM t")
    room = analyzer._rooms[""]
    for index in range(500):
        analyzer.analyze(f"SELECT a FROM t WHERE b = {index}")
    assert "SELECT hot FROM t" in room.statements.young


def test_many_threads_get_right_answers() -> None:
    """Generations turn over while others read."""
    analyzer = Analyzer(cache_size=4)
    wrong: list[Analysis] = []

    def work(offset: int) -> None:
        for index in range(500):
            table = f"t{(index + offset) % 20}"
            found = analyzer.analyze(f"SELECT a FROM {table} WHERE b = {index}", "mysql")
            if found.collections != (table,):
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
