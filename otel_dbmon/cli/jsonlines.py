"""Takes one JSON object with a statement a line and answers one JSON object with its analysis a line, in order.

A line that cannot be answered gets ``{"error": ...}``, which names the line and never repeats any of its text: that may
hold a person's values.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import BinaryIO

from otel_dbmon_processors.analysis import Analysis, analyze

_CHUNK = 1 << 16
#: An integer of any length is fine in a field that nobody reads; Python's own parser refuses long ones.
_decoder = json.JSONDecoder(parse_int=float)
_encode = json.JSONEncoder(ensure_ascii=True, separators=(", ", ": ")).encode


class InvalidLineError(ValueError):
    """A line that holds no statement; the message says why, without any of the line's text."""


def answer_stdin(dialect: str = "") -> None:
    """Answer standard input on standard output; somebody at a keyboard is told what is expected.

    Args:
        dialect: The dialect of lines that name none.
    """
    if sys.stdin.isatty():
        sys.stderr.write('Reading JSON lines like {"sql": "SELECT 1", "dialect": "postgresql"}; Ctrl-D ends.\n')
    answer_stream(sys.stdin.buffer, sys.stdout.buffer, dialect)


def answer_stream(source: BinaryIO, sink: BinaryIO, dialect: str = "") -> None:
    """Answer every line of ``source`` on ``sink`` until it ends.

    Answers are flushed whenever all lines that have arrived are answered: a co-process is answered line by line, a file
    goes through in large pieces.

    Args:
        source: Where lines arrive; a buffered binary stream.
        sink: Where answers go.
        dialect: The dialect of lines that name none.
    """
    number = 0
    for lines in _arrived_lines(source):
        answers = [answer_line(line, position, dialect) for position, line in enumerate(lines, number + 1)]
        number += len(lines)
        sink.write("".join(answers).encode("ascii"))
        sink.flush()


def answer_line(line: bytes, number: int, dialect: str = "") -> str:
    """The answer to one line, as one line; never raises.

    Args:
        line: The line without its line feed.
        number: Counted from 1, for the error.
        dialect: The dialect if the line names none.
    """
    try:
        return _encode(as_fields(analyze(*_read_request(line, dialect)))) + "\n"
    except InvalidLineError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - the stream goes on, and a message of ours might quote the statement
        reason = f"the analysis failed ({type(error).__name__})"
    return _encode({"error": f"line {number}: {reason}"}) + "\n"


def as_fields(analysis: Analysis) -> dict[str, object]:
    """An analysis as the keys that the command line promises."""
    return {
        "sanitized": analysis.sanitized,
        "operation": analysis.operation,
        "collections": list(analysis.collections),
        "summary": analysis.summary,
        "query_type": analysis.query_type,
        "complexity": analysis.complexity,
        "analysis": analysis.explanation,
        "fingerprint": analysis.fingerprint,
    }


def _arrived_lines(source: BinaryIO) -> Iterator[list[bytes]]:
    """All complete lines that have arrived, as one list each time; the last line may lack its line feed."""
    unfinished: list[bytes] = []
    while chunk := source.read1(_CHUNK):  # type: ignore[attr-defined]
        first, *others = chunk.split(b"\n")
        unfinished.append(first)
        if others:
            yield [b"".join(unfinished), *others[:-1]]
            unfinished = [others[-1]]
    if last := b"".join(unfinished):
        yield [last]


def _read_request(line: bytes, dialect: str) -> tuple[str, str]:
    """The statement and the dialect that a line names."""
    try:
        # A byte order mark is what some shells put before the first line.
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidLineError(f"not UTF-8 (byte {error.start + 1})") from None
    if not text.strip():
        raise InvalidLineError("blank")
    try:
        request = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise InvalidLineError(f"not JSON (column {error.colno})") from None
    except RecursionError:
        raise InvalidLineError("nested too deeply") from None
    if not isinstance(request, dict):
        raise InvalidLineError('not an object: expected {"sql": "...", "dialect": "..."}')
    return _text(request, "sql"), _text(request, "dialect", default=dialect)


def _text(request: dict[str, object], key: str, default: str | None = None) -> str:
    value = request.get(key, default)
    if value is None and default is not None:
        return default
    if isinstance(value, str):
        return value
    raise InvalidLineError(f'"{key}" is not a string' if key in request else f'"{key}" is missing')
