"""From the text of an exception to one that may leave: its class, its code and its words stay, every value goes.

A message is made safe from left to right: the first line only; class names and codes in front; then, if the wording
is known (``shapes``), its names stay and its values go; else whatever is quoted or bracketed like data goes, and of
the remaining words only those of the ``vocabulary`` stay. What is not known to be harmless is masked as ``?``, so a
text that was cut off anywhere, by an attribute limit or by a hand, holds nothing more than the whole one.

Of a traceback the frame lines, the class names, Python's chaining sentences and the drawing of exception groups stay.
Source lines, caret lines, notes and every further line of a message are dropped: after the line that names an exception
nothing counts until a chaining sentence, so that a message can't fake frames.

What can't be known: a value that is itself a common word of error messages, unquoted ("customer is blocked" where
"blocked" was typed); a value that a program puts first and that looks like an exception's class, or like the whole of a
database's message; a value that spells a whole traceback, chaining sentence included, of which names of files and
functions would stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .lines import is_database, leading_class, safe_line

#: Characters of a message that are read; a value that long would hide the words anyway.
_MAX_LENGTH = 1000

#: Where the first line ends: a line break, also an escaped one; what SQLAlchemy appends; the fields of PostgreSQL.
_ENDS = (
    *("\n", "\r", "\\n", "\\r"),
    *("[SQL:", "[parameters:", "(Background on this error"),
    *("DETAIL:", "HINT:", "CONTEXT:", "QUERY:", "STATEMENT:", "LOCATION:", "LINE "),
)

#: What SQLAlchemy says first when another statement's flush failed; the message itself is on the next line.
_AUTOFLUSH = (
    "(raised as a result of Query-invoked autoflush; consider using a session.no_autoflush block"
    " if this flush is occurring prematurely)\n"
)

#: Lines of a traceback that are read: Python itself folds a recursion long before.
_MAX_LINES = 2000
_STARTS = frozenset({"Traceback (most recent call last):", "Exception Group Traceback (most recent call last):"})
_CHAINS = frozenset(
    {
        "The above exception was the direct cause of the following exception:",
        "During handling of the above exception, another exception occurred:",
    }
)

#: What an exception group draws in front of its lines, and between them.
_margin = re.compile(r" {0,200}[|+] ").match
_rule = re.compile(r" {0,200}\+[-+]{1,80}(?: (?:[0-9]{1,3}|\.\.\.) -{1,80})?").fullmatch

_frame = re.compile(r'  File "([^"]{1,4096})", line ([0-9]{1,9})(?:, in (.{1,300}))?').fullmatch
_repeated = re.compile(r"  \[Previous line repeated [0-9]{1,9} more times?\]").fullmatch
_path = re.compile(r"[A-Za-z0-9_ ./\\:+~-]{1,4000}\.(?:py[a-z]?|pxd|pxi)|<[A-Za-z0-9_ .-]{1,200}>").fullmatch
_function = re.compile(r"(?:[A-Za-z0-9_.]|<[a-z]{1,20}>){1,200}").fullmatch


def safe_message(text: str) -> str:
    """Give the one line of an exception's message, status description or log body that holds no value.

    Total, linear, idempotent. "" stays ""; a text of which nothing can be kept gives "?".
    """
    return _safe(text, database=None)


def safe_exception_message(type_name: str, text: str) -> str:
    """Make a message safe, knowing the qualified class name of its exception; the short class name if nothing is left.

    Knowing that the class is a database's keeps table names that ``safe_message`` alone would have to mask.
    """
    message = _safe(text, database=is_database(type_name) if type_name else None)
    return message if any(map(str.isalnum, message)) else type_name.rpartition(".")[2]


def safe_stacktrace(text: str) -> str:
    """Give the traceback without source lines and values; "" stays "". Total, linear, idempotent."""
    safe = "\n".join(_safe_lines(text.split("\n", _MAX_LINES)[:_MAX_LINES]))
    return f"{safe}\n" if safe and text.endswith("\n") else safe


def error_class(text: str) -> str:
    """Give the class name a message or status description starts with, the driver's if several do; "" without one."""
    line, name = _first_line(text), ""
    while found := leading_class(line, unnamed=not name):
        name, line = found[1], line[found.end() :]
    return name


def _first_line(text: str) -> str:
    line = text[:_MAX_LENGTH].lstrip().removeprefix(_AUTOFLUSH)
    for end in _ENDS:
        if end in line:
            line = line[: line.index(end)]
    return line.rstrip()


def _safe(text: str, *, database: bool | None) -> str:
    line = _first_line(text)
    if not line:
        return "?" if text.strip() else ""
    return safe_line(line, database=database)


def _safe_lines(lines: Iterable[str]) -> Iterator[str]:
    begun = False  # whether an exception has: only its first line tells whether it is drawn as a group, with margins
    grouped = False
    said = False  # whether the exception's own line has come: what follows it is the rest of its message
    for line in lines:
        if grouped and _rule(line):
            said = False
            yield line
            continue
        found = _margin(line) if grouped or not begun else None
        margin = found[0] if found else ""
        body = line[len(margin) :].rstrip()
        if said:
            if body in _CHAINS:
                begun = said = False
                yield from (margin, f"{margin}{body}", margin)
            continue
        if body in _STARTS or _repeated(body):
            yield f"{margin}{body}"
        elif frame := _frame(body):
            yield margin + _safe_frame(*frame.groups())
        elif body and not body.startswith(" "):
            said = True
            yield margin + safe_message(body)
        else:
            continue
        begun, grouped = True, grouped or bool(margin)


def _safe_frame(path: str, line: str, function: str | None) -> str:
    where = f'  File "{path if _path(path) else "?"}", line {line}'
    if function is None:  # Python names none where it could not even read the source
        return where
    return f"{where}, in {function if _function(function) else '?'}"
