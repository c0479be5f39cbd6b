"""From the exception a driver raised to what may be said of it: its kind, its class, its code; never its text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from .error_codes import (
    EXCEPTIONS,
    MYSQL,
    ORACLE,
    REFINEMENTS,
    SQL_SERVER,
    SQLITE,
    SQLITE_TEXTS,
    SQLSTATE_CLASSES,
    SQLSTATES,
)
from .observation import ErrorFacts

#: How many exceptions of a chain are looked at; a chain may be long or a cycle.
_MAX_CHAIN = 8

#: Packages whose exceptions are only wrapped around the driver's.
_WRAPPERS = frozenset({"databases", "django", "peewee", "pony", "sqlalchemy", "tortoise"})

#: What an unknown number of a known server may still be told by: the DB-API class the driver chose for it.
_TELLING_CLASSES = frozenset({"data", "integrity", "syntax"})

_is_sqlstate = re.compile(r"[0-9A-Z]{5}").fullmatch
_oracle_code = re.compile(r"(?:ORA|DPY|DPI)-[0-9]{4,5}").match


def error_facts(error: BaseException) -> ErrorFacts:
    """Say what kind of error a statement ended with. Works by duck typing, imports no driver, never raises.

    The first exception that says what it is decides: what an ORM's exception wraps before the wrapper, an exception
    before what it was raised from. A message never decides; in three documented cases (``error_codes.REFINEMENTS``,
    and ``SQLITE_TEXTS`` on Python 3.10) it tells apart what one code stands for.
    """
    try:
        for candidate in _chain(error, []):
            kind, code = _read(candidate)
            if kind:
                return ErrorFacts(kind, class_name(candidate), code)
    except Exception:  # noqa: BLE001, S110  whatever the properties of an exception may do, the service goes on
        pass
    return ErrorFacts("other", class_name(error))


def facts_of_names(exception: str, status_code: str = "", system: str = "") -> ErrorFacts:
    """Say the same when only names are left of an error, as a span carries them.

    Args:
        exception: Qualified class name (``exception.type`` or ``error.type``).
        status_code: ``db.response.status_code``.
        system: ``db.system.name``, which tells whose number a bare number is.
    """
    kind = type_of_code(status_code, exception)
    if kind == "other":
        kind = type_of_code(status_code, system)
    if kind == "other":
        kind = EXCEPTIONS.get(exception.rpartition(".")[2], "other")
    return ErrorFacts(kind, exception, status_code)


def type_of_sqlstate(sqlstate: str) -> str:
    """Give the error type of a SQLSTATE: by the whole code, else by its class (first two characters), else "other"."""
    return SQLSTATES.get(sqlstate) or SQLSTATE_CLASSES.get(sqlstate[:2], "other")


def type_of_code(code: str, owner: str = "") -> str:
    """Give the error type of any server's code; a bare number needs its ``owner``, a driver's or database's name."""
    numbers = _NUMBERS.get(_root(owner))
    if numbers is not None and len(code) < 8 and code.isascii() and code.removeprefix("-").isdigit():
        return numbers.get(int(code), "other")
    if code.startswith("SQLITE_"):
        return _type_of_sqlite(code.removeprefix("SQLITE_"))
    return ORACLE.get(code) or (type_of_sqlstate(code) if _is_sqlstate(code) else "other")


def class_name(error: BaseException) -> str:
    """Give an exception's qualified class name the way a traceback prints it: built-in ones without a module."""
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _chain(error: object, seen: list[BaseException]) -> Iterator[BaseException]:
    if not isinstance(error, BaseException) or len(seen) >= _MAX_CHAIN or any(error is one for one in seen):
        return
    seen.append(error)
    if _root(type(error).__module__) in _WRAPPERS:
        yield from _chain(getattr(error, "orig", None), seen)
        yield from _chain(error.__cause__, seen)
    yield error
    yield from _chain(error.__cause__, seen)
    if not error.__suppress_context__:
        yield from _chain(error.__context__, seen)


def _read(error: BaseException) -> tuple[str, str]:
    """Give the error type and the code of one exception, ("", "") if it says neither."""
    roots = (_root(cls.__module__) for cls in type(error).__mro__)
    reader = next((_READERS[root] for root in roots if root in _READERS), _read_sqlstate)
    kind, code = reader(error)
    if not kind:
        return _type_of_class(error), code
    for refined, words, finer in REFINEMENTS:
        if code == refined and words in str(error):
            return finer, code
    return kind, code


def _read_sqlstate(error: BaseException) -> tuple[str, str]:
    candidates = (
        getattr(error, "sqlstate", None),  # psycopg, asyncpg, SQLAlchemy's asyncpg adapter, snowflake
        getattr(error, "pgcode", None),  # psycopg2
        getattr(getattr(error, "diag", None), "sqlstate", None),
    )
    return _type_and_sqlstate(*candidates)


def _read_odbc(error: BaseException) -> tuple[str, str]:
    return _type_and_sqlstate(_first_argument(error))


def _read_pg8000(error: BaseException) -> tuple[str, str]:
    fields = _first_argument(error)
    return _type_and_sqlstate(fields.get("C")) if isinstance(fields, dict) else ("", "")


def _read_sqlite(error: BaseException) -> tuple[str, str]:
    name = getattr(error, "sqlite_errorname", None)
    if isinstance(name, str):
        return _type_of_sqlite(name.removeprefix("SQLITE_")), name
    fixed = SQLITE_TEXTS.get(str(error))
    if fixed is not None:
        return SQLITE[fixed], f"SQLITE_{fixed}"
    # Without a code the class stands for the generic SQLITE_ERROR, which is about the statement.
    return ("syntax" if type(error).__name__ == "OperationalError" else ""), ""


def _read_oracle(error: BaseException) -> tuple[str, str]:
    found = _oracle_code(str(_first_argument(error)))
    return (ORACLE.get(found[0], "other"), found[0]) if found else ("", "")


def _read_mysql(error: BaseException) -> tuple[str, str]:
    return _read_number(error, MYSQL)


def _read_sql_server(error: BaseException) -> tuple[str, str]:
    return _read_number(error, SQL_SERVER)


def _read_number(error: BaseException, numbers: Mapping[int, str]) -> tuple[str, str]:
    number = getattr(error, "errno", None) or _first_argument(error)
    if not isinstance(number, int) or not number:
        return "", ""
    kind = numbers.get(number)
    if kind is None:
        by_state, by_class = type_of_sqlstate(str(getattr(error, "sqlstate", ""))), _type_of_class(error)
        kind = by_class if by_state == "other" and by_class in _TELLING_CLASSES else by_state
    return kind, str(number)


def _type_and_sqlstate(*candidates: object) -> tuple[str, str]:
    for code in candidates:
        if isinstance(code, str) and _is_sqlstate(code):
            return type_of_sqlstate(code), code
    return "", ""


def _type_of_sqlite(name: str) -> str:
    return SQLITE.get(name) or SQLITE.get(name.partition("_")[0], "other")


def _type_of_class(error: BaseException) -> str:
    names = (cls.__name__ for cls in type(error).__mro__)
    return next((EXCEPTIONS[name] for name in names if name in EXCEPTIONS), "")


def _first_argument(error: BaseException) -> object:
    return error.args[0] if error.args else None


def _root(module: object) -> str:
    return module.partition(".")[0].lower() if isinstance(module, str) else ""


#: How each driver's exceptions are read, by root module, lower case; every other driver is asked for a SQLSTATE.
_READERS: dict[str, Callable[[BaseException], tuple[str, str]]] = {
    **dict.fromkeys(("sqlite3", "pysqlite3", "pysqlcipher3", "sqlcipher3", "apsw"), _read_sqlite),
    **dict.fromkeys(("pymysql", "mysqldb", "mysql", "mariadb", "aiomysql", "asyncmy", "cymysql"), _read_mysql),
    **dict.fromkeys(("oracledb", "cx_oracle"), _read_oracle),
    **dict.fromkeys(("pyodbc", "aioodbc", "turbodbc"), _read_odbc),
    "pymssql": _read_sql_server,
    "pg8000": _read_pg8000,
}

#: Whose numbers a bare number is from, by root module of a driver or by ``db.system`` name.
_NUMBERS: dict[str, Mapping[int, str]] = {
    **{root: MYSQL for root, reader in _READERS.items() if reader is _read_mysql},
    **dict.fromkeys(("pymssql", "mssql", "microsoft"), SQL_SERVER),
}
