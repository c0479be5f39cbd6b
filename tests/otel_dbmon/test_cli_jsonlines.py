"""JSON lines in, JSON lines out: one for one, in order, whatever comes in."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_dbmon.cli.jsonlines import answer_line, answer_stream

KEYS = ["sanitized", "operation", "collections", "summary", "query_type", "complexity", "analysis", "fingerprint"]
SECRET = "s3cr3t-zebra"


def answers(source: bytes, dialect: str = "") -> list[dict[str, Any]]:
    """What the stream answers to these bytes."""
    sink = io.BytesIO()
    answer_stream(io.BufferedReader(io.BytesIO(source)), sink, dialect)
    lines = sink.getvalue().decode("ascii").splitlines(keepends=True)
    assert all(line.endswith("\n") for line in lines)
    return [json.loads(line) for line in lines]


def test_a_statement_is_answered_with_its_analysis() -> None:
    """Every promised key is there, in the promised order."""
    (answer,) = answers(b'{"sql": "SELECT * FROM users JOIN profiles WHERE users.id = 7", "dialect": "postgresql"}\n')
    assert list(answer) == KEYS
    assert answer["sanitized"] == "SELECT * FROM users JOIN profiles WHERE users.id = ?"
    assert answer["operation"] == "SELECT"
    assert answer["collections"] == ["users", "profiles"]
    assert answer["summary"] == "SELECT users profiles"
    assert (answer["query_type"], answer["complexity"]) == ("join", "medium")
    assert answer["analysis"] == "Complex JOIN operation detected"
    assert len(answer["fingerprint"]) == 16


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "blank"),
        (b"  \r", "blank"),
        (b"{", "not JSON (column 2)"),
        (b'{"sql": "' + SECRET.encode() + b"'", "not JSON (column 9)"),
        (b'{"sql": "' + SECRET.encode() + b'"} x', "not JSON (column 25)"),
        (b'{"sql": "' + SECRET.encode() + b'\x00"}', "not JSON (column 22)"),
        (b"SELECT '" + SECRET.encode() + b"'", "not JSON (column 1)"),
        (b'{"sql": "' + SECRET.encode() + b'\xff"}', "not UTF-8 (byte 22)"),
        (b'["' + SECRET.encode() + b'"]', 'not an object: expected {"sql": "...", "dialect": "..."}'),
        (b'"' + SECRET.encode() + b'"', 'not an object: expected {"sql": "...", "dialect": "..."}'),
        (b"null", 'not an object: expected {"sql": "...", "dialect": "..."}'),
        (b'{"query": "' + SECRET.encode() + b'"}', '"sql" is missing'),
        (b'{"sql": null}', '"sql" is not a string'),
        (b'{"sql": 5}', '"sql" is not a string'),
        (b'{"sql": ["' + SECRET.encode() + b'"]}', '"sql" is not a string'),
        (b'{"sql": "SELECT 1", "dialect": 5}', '"dialect" is not a string'),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"sql": ' * 200_000, "nested too deeply"),
    ],
)
def test_a_broken_line_gets_an_error_and_the_stream_goes_on(line: bytes, reason: str) -> None:
    """The error names the line, never its text, and the next line is answered."""
    good = b'{"sql": "SELECT 1"}'
    first, broken, last = answers(good + b"\n" + line + b"\n" + good + b"\n")
    assert broken == {"error": f"line 2: {reason}"}
    assert SECRET not in str(broken)
    assert first == last
    assert list(first) == KEYS


@pytest.mark.parametrize(
    "line",
    [
        b'{"sql": "SELECT 1"}\r',
        b'\xef\xbb\xbf{"sql": "SELECT 1"}',
        b'{"sql": "SELECT 1", "dialect": null}',
        b'{"sql": "SELECT 1", "dialect": ""}',
        b'{"sql": "SELECT 1", "dialect": "klingon"}',
        b'{"sql": "SELECT 1", "dialect": "\\ud800"}',
        b'{"sql": "SELECT 1", "id": 1' + b"0" * 6000 + b"}",
        b'{"sql": ""}',
        b'{"sql": "\\ud800 \\u0000"}',
        b'{"sql": "' + b"(" * 100_000 + b'"}',
    ],
)
def test_an_odd_line_is_still_answered(line: bytes) -> None:
    """Whatever is JSON with a statement in it has an analysis."""
    (answer,) = answers(line)
    assert list(answer) == KEYS


def test_a_dialect_that_nobody_knows_redacts_as_much_as_none() -> None:
    """A quote that may begin a literal is one."""
    unknown, none = answers(
        b'{"sql": "SELECT \\"zebra\\"", "dialect": "klingon"}\n{"sql": "SELECT \\"zebra\\""}\n',
    )
    assert unknown["sanitized"] == none["sanitized"] == "SELECT ?"


def test_the_dialect_of_the_command_line_counts_where_a_line_names_none() -> None:
    """A line's own dialect wins."""
    inherited, own = answers(
        b'{"sql": "SELECT \\"zebra\\""}\n{"sql": "SELECT \\"zebra\\"", "dialect": "mysql"}\n', "postgresql"
    )
    assert inherited["sanitized"] == 'SELECT "zebra"'
    assert own["sanitized"] == "SELECT ?"


def test_the_last_line_may_lack_its_line_feed() -> None:
    """An unfinished line is answered when the input ends; an empty one is none."""
    assert len(answers(b'{"sql": "SELECT 1"}\n{"sql": "SELECT 2"}')) == 2
    assert len(answers(b'{"sql": "SELECT 1"}\n')) == 1
    assert answers(b"") == []


def test_a_line_of_ten_megabytes_is_answered() -> None:
    """Long lines take time in proportion to their length."""
    start = time.monotonic()
    (answer,) = answers(b'{"sql": "SELECT \'' + b"x" * 10_000_000 + b"'\"}\n")
    assert answer["sanitized"] == "SELECT ?"
    assert time.monotonic() - start < 30


def test_a_failure_of_the_analysis_is_an_error_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even then is the stream stopped, or the message of the exception told."""

    def fail(statement: str, _dialect: str) -> None:
        raise ZeroDivisionError(statement)

    monkeypatch.setattr("otel_dbmon.cli.jsonlines.analyze", fail)
    (answer,) = answers(b'{"sql": "' + SECRET.encode() + b'"}')
    assert answer == {"error": "line 1: the analysis failed (ZeroDivisionError)"}


@given(st.lists(st.binary(max_size=200).filter(lambda line: b"\n" not in line), max_size=20))
def test_any_bytes_are_answered_one_for_one(lines: list[bytes]) -> None:
    """As many answers as lines, each an analysis or an error with the number of its line."""
    found = answers(b"".join(line + b"\n" for line in lines))
    assert len(found) == len(lines)
    for number, answer in enumerate(found, 1):
        assert list(answer) == KEYS or answer["error"].startswith(f"line {number}: ")


@given(st.text(max_size=300), st.text(max_size=20))
def test_any_statement_in_any_dialect_is_answered(sql: str, dialect: str) -> None:
    """Text of any kind has an analysis."""
    request = json.dumps({"sql": sql, "dialect": dialect}).encode()
    assert list(json.loads(answer_line(request, 1))) == KEYS


def test_a_coprocess_is_answered_line_by_line() -> None:
    """Each answer comes before the next line is sent."""
    command = [sys.executable, "-m", "otel_dbmon", "analyze"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(1, 4):
            process.stdin.write(b'{"sql": "SELECT %d"}\n' % number)
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["sanitized"] == "SELECT ?"
        process.stdin.write(b"broken\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"error": "line 4: not JSON (column 1)"}
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(10) == 0


@pytest.mark.slow
def test_a_hundred_thousand_lines_take_seconds() -> None:
    """A file goes through in bulk."""
    source = b"".join(b'{"sql": "SELECT * FROM t%d WHERE id = %d"}\n' % (n % 500, n) for n in range(100_000))
    start = time.monotonic()
    assert len(answers(source)) == 100_000
    assert time.monotonic() - start < 60
