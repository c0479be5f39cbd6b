"""Texts of exceptions: what a person typed goes, what an operator needs stays. Cases are the files in ``messages/``."""

from __future__ import annotations

import builtins
import json
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from otel_dbmon_processors.messages import error_class, safe_exception_message, safe_message, safe_stacktrace

HERE = Path(__file__).parent / "messages"


class Case(NamedTuple):
    """One line of a data file; ``$VALUE`` stands where a person's value stands."""

    type: str
    text: str
    safe: str
    values: int
    literal: bool

    def with_value(self, value: str) -> str:
        if not self.literal:
            return self.text.replace("$VALUE", value)
        return str(
            tuple(one.replace("$VALUE", value) if isinstance(one, str) else one for one in json.loads(self.text))
        )

    def made_safe(self, text: str) -> str:
        return safe_exception_message(self.type, text) if self.type else safe_message(text)


def read(line: str) -> Case:
    row = json.loads(line)
    text = row.get("text") if "text" in row else json.dumps(row["arguments"])
    return Case(row["type"], text, row["safe"], text.count("$VALUE"), "arguments" in row)


CASES = [
    pytest.param(read(line), id=f"{file.stem}:{number}")
    for file in sorted(HERE.glob("*.jsonl"))
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
]
CASES_WITH_VALUES = [case.values[0] for case in CASES if case.values[0].values]

#: A value's tell-tale: no word, but each shape a pasted or bound value has, quotes and fakes of our own marks included.
TELL = "zqxkvw"
SHAPES = (
    "{}",
    "{}-12ab",
    "bob.{}@example.com",
    "O'{} the order",
    'a "{}" b',
    "a' {} 'b",
    '" {} "',
    "`{}`",
    "x' for key '{}",
    'x") {} ("',
    "x') {}",
    "\\' {} \\",
    "1 {}\n[SQL: {}",
    "\n{}: {}",
    "\r{} ",
    "x\nDETAIL: {}",
    "[parameters: {}",
    'x" violates unique constraint "{}"',
    "x (sqlite3.OperationalError) no such table: {}",
    '\n  File "{}.py", line 1, in {}\n',
    "\nTraceback (most recent call last):\n  {}",
    "{{'{}': 1}}",
    "https://{}@{}/{}?{}={}",
    "password={}",
    "\u201e{}\u201c",
    "{}\u00e9",
    "\u2028{}",
    "$1{}$1",
    "{}_{}",
)


def spelled(shape: str) -> str:
    return shape.replace("{}", TELL).replace("{{", "{").replace("}}", "}")


values = st.one_of(
    st.sampled_from(SHAPES).map(spelled),
    st.tuples(st.text(max_size=12), st.sampled_from(SHAPES).map(spelled), st.text(max_size=12)).map("".join),
    st.lists(st.sampled_from([*"'\"`\\:;=,.()[]{}<>?!@%$# \n\r\t", TELL, "order", "Error", "12"]), max_size=12).map(
        "".join
    ),
)


def tells(text: str) -> bool:
    """Whether a text holds the tell-tale, or as much of it as could not be chance."""
    return TELL[:4] in text.lower()


@pytest.mark.parametrize("case", CASES)
def test_a_known_message_keeps_what_an_operator_needs(case: Case) -> None:
    """Each line of the data files comes out exactly as it says."""
    assert case.made_safe(case.with_value("bob-17@example.com")) == case.safe


@pytest.mark.parametrize("case", CASES)
def test_making_safe_twice_changes_nothing(case: Case) -> None:
    """A safe message is its own safe message."""
    assert case.made_safe(case.safe) == case.safe


@pytest.mark.parametrize("case", CASES_WITH_VALUES)
def test_no_shape_of_value_survives_any_message(case: Case) -> None:
    """Each message of the data files, with each shape of value in its place, loses the value."""
    for shape in SHAPES:
        text = case.with_value(spelled(shape))
        assert not tells(case.made_safe(text)), text
        assert not tells(safe_message(text)), text


@pytest.mark.parametrize("case", CASES_WITH_VALUES)
def test_no_truncation_shows_a_value(case: Case) -> None:
    """A message that an attribute limit cut off, anywhere, is as safe as the whole one."""
    for shape in SHAPES:
        text = case.with_value(spelled(shape))[:400]
        leaks = [cut for cut in range(len(text)) if tells(case.made_safe(text[:cut]))]
        assert not leaks, text[: leaks[0]]


@given(case=st.sampled_from(CASES_WITH_VALUES), value=values)
def test_no_value_survives(case: Case, value: str) -> None:
    """Whatever the value looks like, it goes."""
    assert not tells(case.made_safe(case.with_value(value)))


@given(text=st.one_of(st.text(), values, st.tuples(values, values, values).map(" ".join)))
@example("?): ??")
@example("ERROR: ")
@example("A.Error:\x1f")
def test_idempotent_on_any_text(text: str) -> None:
    """For any text at all: one line, nothing raised, and the second time changes nothing."""
    once = safe_message(text)
    assert "\n" not in once
    assert safe_message(once) == once
    safe = safe_stacktrace(text)
    assert safe_stacktrace(safe) == safe
    assert safe_exception_message(
        "sqlite3.Error", safe_exception_message("sqlite3.Error", text)
    ) == safe_exception_message("sqlite3.Error", text)


HUGE = [
    "a'",
    "( ",
    "?",
    "\n",
    "://",
    "'NoneType' ",
    "a.b",
    "Duplicate entry '",
    " ",
    'File "',
    "(1062, '",
    "\\'",
    "  | ",
]
HUGE += ["+-", "a: ", '  File "x.py", line 1, in x\n', "Error: ", "password", "A", "Column '", "`", "<locals>."]


@pytest.mark.parametrize("function", [safe_message, safe_stacktrace, error_class])
def test_a_megabyte_of_anything_takes_no_time(function: Callable[[str], str]) -> None:
    """Text that a naive pattern would backtrack on for hours is done at once."""
    started = time.perf_counter()
    for piece in HUGE:
        function(piece * (1_000_000 // len(piece)))
        function("sqlite3.Error: " + piece * (1_000_000 // len(piece)))
    assert time.perf_counter() - started < 20


def test_an_exception_without_a_message_to_keep_is_named_by_its_class() -> None:
    """A status description is never empty where a class is known."""
    assert safe_exception_message("app.errors.CardRefused", "") == "CardRefused"
    assert safe_exception_message("builtins.KeyError", "'bob'") == "KeyError"


def test_a_table_is_named_only_by_a_database() -> None:
    """``no such table`` may be a restaurant's: only with a database's class is the name a table's."""
    assert safe_message("no such table: smith") == "no such table: ?"
    assert safe_message("OperationalError: no such table: users") == "OperationalError: no such table: users"
    assert safe_exception_message("sqlite3.OperationalError", "no such table: users") == "no such table: users"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("IntegrityError: (sqlite3.IntegrityError) UNIQUE constraint failed", "sqlite3.IntegrityError"),
        ("UniqueViolation: duplicate key", "UniqueViolation"),
        ("(psycopg.errors.UniqueViolation) duplicate key", "psycopg.errors.UniqueViolation"),
        ("KeyboardInterrupt", "KeyboardInterrupt"),
        ("socket.timeout: timed out", "socket.timeout"),
        ("duplicate key", ""),
        ("Bob: not found", ""),
        ("", ""),
    ],
)
def test_the_class_in_front_of_a_message(text: str, name: str) -> None:
    """A status description says whose exception it was, the driver's before its wrapper's."""
    assert error_class(text) == name


# --- tracebacks


@pytest.mark.parametrize("file", sorted((HERE / "tracebacks").glob("*.in.txt")), ids=lambda file: file.name)
def test_a_traceback_keeps_where_and_loses_what(file: Path) -> None:
    """Each traceback of the data files comes out as its ``.out.txt`` says, also a second time."""
    expected = file.with_name(file.name.replace(".in.", ".out.")).read_text(encoding="utf-8")
    assert safe_stacktrace(file.read_text(encoding="utf-8")) == expected
    assert safe_stacktrace(expected) == expected


def formatted(value: str) -> str:
    """A real chain of three exceptions, each with the value in its message, a source line and a note."""
    try:
        try:
            try:
                raise KeyError(value)
            except KeyError as missing:
                raise ValueError(f"bad order {value}") from missing
        except ValueError:
            # A literal in a source line: zqxkvw
            raise sqlite3.OperationalError(f"near {value!r}: syntax error {value}")  # noqa: B904
    except sqlite3.OperationalError as error:
        if sys.version_info >= (3, 11):
            error.add_note(f"while saving {value}")
        return traceback.format_exc()


@given(value=values)
def test_no_value_survives_a_real_traceback(value: str) -> None:
    """Messages, source lines and notes of chained exceptions are gone, all three classes and places are there."""
    safe = safe_stacktrace(formatted(value))
    assert not tells(safe)
    assert [name for name in ("KeyError", "ValueError", "sqlite3.OperationalError") if f"\n{name}" in safe] == [
        "KeyError",
        "ValueError",
        "sqlite3.OperationalError",
    ]
    assert safe.count("in formatted") == 3
    assert safe_stacktrace(safe) == safe


@pytest.mark.parametrize("shape", SHAPES)
def test_no_truncated_traceback_shows_a_value(shape: str) -> None:
    """An attribute limit may cut a traceback anywhere."""
    text = formatted(spelled(shape))
    assert not [cut for cut in range(0, len(text), 7) if tells(safe_stacktrace(text[:cut]))]


@pytest.mark.skipif(not hasattr(builtins, "ExceptionGroup"), reason="came with Python 3.11; the data files hold some")
@given(value=values)
def test_no_value_survives_an_exception_group(value: str) -> None:
    """Groups keep their drawing and classes."""
    group_of = vars(builtins)["ExceptionGroup"]
    group = group_of(f"several {value}", [ValueError(value), group_of(value, [KeyError(value)])])
    safe = safe_stacktrace("".join(traceback.format_exception(group)))
    assert not tells(safe)
    assert "  | ExceptionGroup: several" in safe
    assert "    | ValueError" in safe
    assert safe_stacktrace(safe) == safe
