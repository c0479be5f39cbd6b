"""From the first line of a message to one that may leave: class or code in front, then a known wording, or words."""

from __future__ import annotations

import re

from .shapes import known_wording
from .words import is_class_name, mask_words

#: How many classes and codes may stand in front of one another, and messages within messages.
_MAX_DEPTH = 4

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
#: Whose exceptions SQLAlchemy names in brackets in front of their message.
_WRAPPED_MODULES = _DATABASE_MODULES | {"builtins"}
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


def safe_line(line: str, *, database: bool | None, whole: bool = False, depth: int = _MAX_DEPTH) -> str:
    """Keep a class or a code in front, then make what follows safe.

    Args:
        line: Without a line break.
        database: Whether the exception is a database's own; None lets the first class in the line decide.
        whole: Whether the line is known not to be cut off.
        depth: How much deeper to look; what lies deeper is masked.
    """
    if not line or not depth:
        return "?" if line else ""
    found = leading_class(line, unnamed=database is None)
    if found:
        database = is_database(found[1]) if database is None else database
    elif database and (found := _arguments(line)):
        return _safe_arguments(line, found, depth)
    else:
        found = _code_first(line) or (_number_first(line) if database else None)
    if found:
        rest = safe_line(line[found.end() :], database=database, whole=whole, depth=depth - 1)
        return f"{found[0].rstrip() if not rest else found[0]}{rest}"
    known = known_wording(
        line,
        database=bool(database),
        whole=whole,
        rest=lambda inner: safe_line(inner, database=database, whole=whole, depth=depth - 1),
    )
    return mask_words(line) if known is None else known


def leading_class(line: str, *, unnamed: bool) -> re.Match[str] | None:
    """Find the class that a line names first: an exception's own if it is still ``unnamed``, or one that it wraps."""
    if unnamed and (found := _class_first(line)) and is_class_name(found[1]):
        return found
    found = _class_in_brackets(line) or _class_repr(line)
    return found if found and found[1].partition(".")[0] in _WRAPPED_MODULES and is_class_name(found[1]) else None


def _safe_arguments(line: str, found: re.Match[str], depth: int) -> str:
    """Make a DB-API error's arguments safe, ``(1062, "Duplicate entry ...")``: a whole literal cannot be cut off."""
    code, quote, inside = found[1], found[2], line[found.end() :]
    body = inside.removesuffix(f"{quote})")
    whole = body != inside and _closed[quote](body) is not None
    message = _odbc_vendor("", _unescape(r"\1", body), count=1) if whole else inside
    safe = safe_line(message, database=True, whole=whole, depth=depth - 1).replace('"', r"\"")
    return f'({code}, "{safe}")' if whole else f'({code}, "{safe}'


def is_database(name: str) -> bool:
    """Tell whether a class of this qualified name is a database's: by its module, or by a name only they bear."""
    return name.partition(".")[0] in _DATABASE_MODULES or name.rpartition(".")[2] in _DATABASE_CLASSES
