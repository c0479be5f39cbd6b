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

from .shapes import known_wording
from .words import is_class_name, mask_words

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

_class_first = re.compile(
    r"([A-Za-z_][A-Za-z0-9_]{0,99}(?:\.(?:<locals>|[A-Za-z_][A-Za-z0-9_]{0,99})){0,15})(?::\s+|:?$)"
).match
_class_in_brackets = re.compile(r"\(([A-Za-z_][A-Za-z0-9_.]{0,199})\) ").match
_class_repr = re.compile(r"<class '([A-Za-z_][A-Za-z0-9_.]{0,199})'>: ").match
#: Codes that nothing else looks like; PostgreSQL's severity, which libpq puts in front of a server's message.
_code_first = re.compile(
    r"\[(?:Errno|WinError) -?[0-9]{1,5}\] |(?:ORA|DPY|DPI)-[0-9]{4,5}: |(?:ERROR|FATAL|PANIC):\s+"
).match
#: Codes that are numbers like others, read only where a database's exception puts them: mysql-connector's, and the
#: arguments of DB-API errors.
_number_first = re.compile(r"[0-9]{3,5} \([0-9A-Z]{5}\): ").match
_arguments = re.compile(r"""\(([0-9]{1,5}|'[0-9A-Z]{5}'), (["'])""").match
_odbc_vendor = re.compile(r"\[[0-9A-Z]{5}\] (?:\[[A-Za-z0-9 .]{1,60}\]){1,4}").sub
_closed = {quote: re.compile(rf"(?:[^\\{quote}]|\\.)*").fullmatch for quote in "\"'"}
_unescape = re.compile(r"""\\([\\'"])""").sub

_DATABASE_MODULES = frozenset(
    {
        "MySQLdb",
        "aiomysql",
        "aiosqlite",
        "apsw",
        "asyncmy",
        "asyncpg",
        "cx_Oracle",
        "django",
        "duckdb",
        "mariadb",
        "mysql",
        "oracledb",
        "pg8000",
        "psycopg",
        "psycopg2",
        "pymssql",
        "pymysql",
        "pyodbc",
        "snowflake",
        "sqlalchemy",
        "sqlite3",
    }
)
#: Class names that only a database's exceptions bear: DB-API's, and PostgreSQL's conditions about tables and rights.
_DATABASE_CLASSES = frozenset(
    {
        "DataError",
        "DatabaseError",
        "InsufficientPrivilege",
        "InsufficientPrivilegeError",
        "IntegrityError",
        "InternalError",
        "OperationalError",
        "ProgrammingError",
        "UndefinedTable",
        "UndefinedTableError",
    }
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
    message = _safe(text, database=_is_database(type_name) if type_name else None)
    return message if any(map(str.isalnum, message)) else type_name.rpartition(".")[2]


def safe_stacktrace(text: str) -> str:
    """Give the traceback without source lines and values; "" stays "". Total, linear, idempotent."""
    safe = "\n".join(_safe_lines(text.split("\n", _MAX_LINES)[:_MAX_LINES]))
    return f"{safe}\n" if safe and text.endswith("\n") else safe


def error_class(text: str) -> str:
    """Give the class name a message or status description starts with, the driver's if several do; "" without one."""
    line, name = _first_line(text), ""
    while True:
        found = _class_first(line) or _class_in_brackets(line) or _class_repr(line)
        if found is None or not is_class_name(found[1]):
            return name
        name, line = found[1], line[found.end() :]


def _first_line(text: str) -> str:
    line = text[:_MAX_LENGTH].lstrip().removeprefix(_AUTOFLUSH)
    for end in _ENDS:
        if end in line:
            line = line[: line.index(end)]
    return line.rstrip()


def _safe(text: str, *, database: bool | None) -> str:
    return _safe_line(_first_line(text), database=database, whole=False, depth=4)


def _safe_line(line: str, *, database: bool | None, whole: bool, depth: int) -> str:
    """Keep a class or a code in front, then make what follows safe; ``depth`` bounds how many follow one another.

    Whether the exception is a ``database``'s own, the first class decides: None as long as there was none.
    """
    if not line or not depth:
        return "?" if line else ""
    found = _class_first(line) or _class_in_brackets(line) or _class_repr(line)
    if found and is_class_name(found[1]):
        database = _is_database(found[1]) if database is None else database
    elif database and (found := _arguments(line)):
        return _safe_arguments(line, found, depth)
    else:
        found = _code_first(line) or (_number_first(line) if database else None)
    if found:
        rest = _safe_line(line[found.end() :], database=database, whole=whole, depth=depth - 1)
        return f"{found[0].rstrip() if not rest else found[0]}{rest}"
    known = known_wording(
        line,
        database=bool(database),
        whole=whole,
        rest=lambda rest: _safe_line(rest, database=database, whole=whole, depth=depth - 1),
    )
    return mask_words(line) if known is None else known


def _safe_arguments(line: str, found: re.Match[str], depth: int) -> str:
    """Make a DB-API error's arguments safe, ``(1062, "Duplicate entry ...")``: a whole literal cannot be cut off."""
    code, quote, inside = found[1], found[2], line[found.end() :]
    body = inside.removesuffix(f"{quote})")
    whole = body != inside and _closed[quote](body) is not None
    message = _odbc_vendor("", _unescape(r"\1", body), count=1) if whole else inside
    safe = _safe_line(message, database=True, whole=whole, depth=depth - 1).replace('"', r"\"")
    return f'({code}, "{safe}")' if whole else f'({code}, "{safe}'


def _is_database(name: str) -> bool:
    return name.partition(".")[0] in _DATABASE_MODULES or name.rpartition(".")[2] in _DATABASE_CLASSES


def _safe_lines(lines: Iterable[str]) -> Iterator[str]:
    said = False  # whether the exception's own line has come: what follows it is the rest of its message
    for line in lines:
        if _rule(line):
            said = False
            yield line
            continue
        found = _margin(line)
        margin = found[0] if found else ""
        body = line[len(margin) :].rstrip()
        if said:
            if body in _CHAINS:
                said = False
                yield from (margin, f"{margin}{body}", margin)
        elif body in _STARTS or _repeated(body):
            yield f"{margin}{body}"
        elif frame := _frame(body):
            yield margin + _safe_frame(*frame.groups())
        elif body and not body.startswith(" "):
            said = True
            yield margin + safe_message(body)


def _safe_frame(path: str, line: str, function: str | None) -> str:
    where = f'  File "{path if _path(path) else "?"}", line {line}'
    if function is None:  # Python names none where it could not even read the source
        return where
    return f"{where}, in {function if _function(function) else '?'}"
