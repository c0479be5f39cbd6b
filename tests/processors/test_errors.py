"""What kind of error an exception is: real ones of real drivers where they are installed, else what looks like them."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_dbmon_processors import error_codes
from otel_dbmon_processors.error_codes import ERROR_TYPES
from otel_dbmon_processors.errors import error_facts, facts_of_names, type_of_code, type_of_sqlstate
from otel_dbmon_processors.observation import ErrorFacts


def seen(facts: ErrorFacts) -> tuple[str, str, str]:
    return facts.type, facts.exception, facts.status_code


def exception(
    module: str, name: str, *args: Any, bases: tuple[type[BaseException], ...] = (Exception,), **fields: Any
) -> Any:
    """An exception that looks like one of a driver that is not installed."""
    return type(name, bases, {"__module__": module, **fields})(*args)


def failing(statement: str, database: str = ":memory:", *setup: str) -> sqlite3.Error:
    connection = sqlite3.connect(database, timeout=0)
    try:
        for one in setup:
            connection.execute(one)
        with pytest.raises(sqlite3.Error) as caught:
            connection.execute(statement)
    finally:
        connection.close()
    return caught.value


# --- SQLite, for real

USERS = "create table users (id integer primary key, email text unique not null, age int check (age > 0))"


@pytest.mark.parametrize(
    ("statement", "kind", "code"),
    [
        ("insert into users values (1, 'a', 1), (2, 'a', 1)", "integrity", "SQLITE_CONSTRAINT_UNIQUE"),
        ("insert into users values (1, null, 1)", "integrity", "SQLITE_CONSTRAINT_NOTNULL"),
        ("insert into users values (1, 'a', -1)", "integrity", "SQLITE_CONSTRAINT_CHECK"),
        ("selec 1", "syntax", "SQLITE_ERROR"),
        ("select * from nobody", "syntax", "SQLITE_ERROR"),
        ("insert into users values ('x', 'a', 1)", "data", "SQLITE_MISMATCH"),
        ("select zeroblob(2000000000)", "resource", "SQLITE_TOOBIG"),
        ("attach '/nowhere/at/all.db' as other", "connection", "SQLITE_CANTOPEN"),
    ],
)
def test_sqlite_says_what_went_wrong(statement: str, kind: str, code: str) -> None:
    """The result code that SQLite gave decides; before Python 3.11 its class or fixed text has to do."""
    facts = error_facts(failing(statement, ":memory:", USERS))
    assert facts.exception.startswith("sqlite3.")
    if sys.version_info >= (3, 11):
        assert (facts.type, facts.status_code) in {(kind, code), (kind, "SQLITE_ERROR")}
    else:
        assert facts.type in {kind, "syntax"}


def test_a_locked_sqlite_database_is_a_timeout(tmp_path: Path) -> None:
    """Another connection holds the lock for longer than ours waits."""
    holder = sqlite3.connect(tmp_path / "shop.db")
    holder.execute("create table t (a)")
    holder.execute("begin immediate")
    facts = error_facts(failing("insert into t values (1)", str(tmp_path / "shop.db")))
    holder.close()
    assert seen(facts) == ("timeout", "sqlite3.OperationalError", "SQLITE_BUSY")


def test_a_read_only_sqlite_database_is_a_matter_of_permission() -> None:
    """SQLITE_READONLY."""
    facts = error_facts(failing("create table t (a)", ":memory:", "pragma query_only = on"))
    assert seen(facts) == ("permission", "sqlite3.OperationalError", "SQLITE_READONLY")


def test_a_file_that_is_no_sqlite_database_is_no_connection(tmp_path: Path) -> None:
    """SQLITE_NOTADB."""
    (tmp_path / "text.db").write_text("no database, " * 100)
    facts = error_facts(failing("select * from sqlite_master", str(tmp_path / "text.db")))
    assert seen(facts) == ("connection", "sqlite3.DatabaseError", "SQLITE_NOTADB")


def test_an_interrupted_sqlite_statement_is_cancelled() -> None:
    """SQLITE_INTERRUPT, from the progress handler."""
    connection = sqlite3.connect(":memory:")
    connection.set_progress_handler(lambda: 1, 10)
    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.execute("with recursive n(i) as (select 1 union all select i + 1 from n) select sum(i) from n")
    connection.close()
    assert seen(error_facts(caught.value)) == ("cancelled", "sqlite3.OperationalError", "SQLITE_INTERRUPT")


@pytest.mark.parametrize("text", error_codes.SQLITE_TEXTS)
def test_without_a_code_the_fixed_texts_of_sqlite_decide(text: str) -> None:
    """Python 3.10 gives the text of the code and nothing else."""
    name = error_codes.SQLITE_TEXTS[text]
    facts = error_facts(sqlite3.OperationalError(text))
    assert seen(facts) == (error_codes.SQLITE[name], "sqlite3.OperationalError", f"SQLITE_{name}")


def test_without_a_code_a_text_that_is_not_fixed_decides_nothing() -> None:
    """A value may say "database is locked"; only the whole text is SQLite's own."""
    assert error_facts(sqlite3.OperationalError('near "database is locked": syntax error')).type == "syntax"
    assert error_facts(sqlite3.IntegrityError("database is locked by bob")).type == "integrity"


# --- PostgreSQL


@pytest.mark.parametrize(
    ("name", "sqlstate", "kind"),
    [
        ("UniqueViolation", "23505", "integrity"),
        ("DeadlockDetected", "40P01", "deadlock"),
        ("SerializationFailure", "40001", "serialization"),
        ("UndefinedTable", "42P01", "syntax"),
        ("InsufficientPrivilege", "42501", "permission"),
        ("InvalidPassword", "28P01", "permission"),
        ("TooManyConnections", "53300", "resource"),
        ("DiskFull", "53100", "resource"),
        ("InvalidTextRepresentation", "22P02", "data"),
        ("QueryCanceled", "57014", "cancelled"),
        ("LockNotAvailable", "55P03", "timeout"),
        ("IdleInTransactionSessionTimeout", "25P03", "timeout"),
        ("AdminShutdown", "57P01", "connection"),
        ("ConnectionFailure", "08006", "connection"),
        ("ReadOnlySqlTransaction", "25006", "permission"),
        ("RaiseException", "P0001", "other"),
        ("InternalError_", "XX000", "other"),
    ],
)
def test_psycopg_and_psycopg2(name: str, sqlstate: str, kind: str) -> None:
    """Both drivers have a class for each SQLSTATE; the code decides, the class is named."""
    for driver in ("psycopg", "psycopg2"):
        errors = pytest.importorskip(f"{driver}.errors")
        if hasattr(errors, name):
            error = getattr(errors, name)("bob@example.com")
            if driver == "psycopg2":  # its code comes with the server's answer only
                error = exception("psycopg2.errors", name, pgcode=sqlstate, bases=(errors.lookup(sqlstate).__base__,))
            assert seen(error_facts(error)) == (kind, f"{driver}.errors.{name}", sqlstate)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("canceling statement due to statement timeout", "timeout"),
        ("canceling statement due to lock timeout", "timeout"),
        ("canceling statement due to user request", "cancelled"),
        ("breche Anfrage ab wegen statement_timeout", "cancelled"),
    ],
)
def test_a_cancelled_query_may_be_a_timeout(message: str, kind: str) -> None:
    """57014 is both; the server's own words tell them apart, where it speaks English."""
    errors = pytest.importorskip("psycopg.errors")
    assert error_facts(errors.QueryCanceled(message)).type == kind


def test_psycopg_that_could_not_connect() -> None:
    """No server, no code: the DB-API class decides, a time-out by its own class."""
    psycopg = pytest.importorskip("psycopg")
    assert seen(error_facts(psycopg.OperationalError("connection failed"))) == (
        "connection",
        "psycopg.OperationalError",
        "",
    )
    assert error_facts(psycopg.errors.ConnectionTimeout("connection timeout expired")).type == "timeout"


def test_every_psycopg_condition_has_a_type() -> None:
    """No condition that PostgreSQL documents falls through by accident: these are "other" on purpose."""
    errors = pytest.importorskip("psycopg.errors")
    codes = [getattr(one, "sqlstate", None) for one in vars(errors).values()]
    other = {code[:2] for code in codes if isinstance(code, str) and type_of_sqlstate(code) == "other"}
    assert other <= {
        *("02", "03", "09", "0B", "0F", "0Z", "24", "25", "26", "2D", "2F", "38", "39", "3B", "55", "F0", "HV", "P0"),
        "XX",
    }


def test_asyncpg() -> None:
    """Its classes carry the SQLSTATE; its client-side errors only a class."""
    exceptions = pytest.importorskip("asyncpg.exceptions")
    assert seen(error_facts(exceptions.UniqueViolationError("x"))) == (
        "integrity",
        "asyncpg.exceptions.UniqueViolationError",
        "23505",
    )
    assert error_facts(exceptions.ConnectionDoesNotExistError("x")).type == "connection"
    assert error_facts(exceptions.InterfaceError("cannot perform operation")).type == "connection"


def test_sqlalchemy_names_the_drivers_exception() -> None:
    """What is wrapped decides, also behind the adapter that SQLAlchemy puts around asyncpg."""
    exc = pytest.importorskip("sqlalchemy.exc")
    wrapped = exc.IntegrityError("insert", {}, sqlite3.IntegrityError("UNIQUE constraint failed: users.email"))
    assert seen(error_facts(wrapped))[:2] == ("integrity", "sqlite3.IntegrityError")

    driver = exception("asyncpg.exceptions", "UniqueViolationError", "x", sqlstate="23505")
    adapter = exception("sqlalchemy.dialects.postgresql.asyncpg", "IntegrityError", "x", sqlstate="23505")
    adapter.__cause__ = driver
    wrapped = exc.IntegrityError("insert", {}, adapter)
    assert seen(error_facts(wrapped)) == ("integrity", "asyncpg.exceptions.UniqueViolationError", "23505")


def test_an_empty_pool_is_a_timeout() -> None:
    """SQLAlchemy's, psycopg_pool's, the standard library's."""
    exc = pytest.importorskip("sqlalchemy.exc")
    assert seen(error_facts(exc.TimeoutError("QueuePool limit"))) == ("timeout", "sqlalchemy.exc.TimeoutError", "")
    operational = type("OperationalError", (Exception,), {})
    pool = exception("psycopg_pool.errors", "PoolTimeout", "couldn't get a connection", bases=(operational,))
    assert error_facts(pool).type == "timeout"
    assert error_facts(TimeoutError()).type == error_facts(asyncio.TimeoutError()).type == "timeout"


def test_pg8000() -> None:
    """The server's fields are the first argument."""
    facts = error_facts(exception("pg8000.exceptions", "DatabaseError", {"C": "23505", "M": "bob"}))
    assert seen(facts) == ("integrity", "pg8000.exceptions.DatabaseError", "23505")


# --- MySQL, Oracle, SQL Server


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (1205, "timeout"),
        (1213, "deadlock"),
        (1062, "integrity"),
        (1064, "syntax"),
        (1045, "permission"),
        (2006, "connection"),
        (1040, "resource"),
        (1406, "data"),
        (1317, "cancelled"),
        (1020, "serialization"),
        (64999, "other"),
    ],
)
def test_mysql(number: int, kind: str) -> None:
    """PyMySQL and mysqlclient give the number as the first argument, mysql-connector as ``errno``."""
    name = "pymysql.err"
    assert seen(error_facts(exception(name, "OperationalError", number, "bob"))) == (
        kind,
        "pymysql.err.OperationalError",
        str(number),
    )
    assert error_facts(exception("MySQLdb", "OperationalError", number, "bob")).type == kind
    assert error_facts(exception("mysql.connector.errors", "DatabaseError", "bob", errno=number)).type == kind


def test_pymysql_for_real() -> None:
    """The driver makes its exceptions out of the server's packet; these are its own."""
    err = pytest.importorskip("pymysql.err")
    packet = b"\xff" + (1062).to_bytes(2, "little") + b"#23000Duplicate entry 'bob' for key 'users.email'"
    with pytest.raises(err.IntegrityError) as caught:
        err.raise_mysql_exception(packet)
    assert seen(error_facts(caught.value)) == ("integrity", "pymysql.err.IntegrityError", "1062")
    assert (
        error_facts(err.OperationalError(2003, "Can't connect to MySQL server on 'db' (timed out)")).type == "timeout"
    )
    assert error_facts(err.InterfaceError(0, "")).type == "connection"


def test_an_unknown_number_is_told_by_its_sqlstate_or_class() -> None:
    """The table can't hold every number; what the driver knows besides decides then."""
    assert error_facts(exception("mysql.connector.errors", "Error", errno=64999, sqlstate="23000")).type == "integrity"
    assert error_facts(exception("pymysql.err", "IntegrityError", 64999, "bob")).type == "integrity"


def test_oracle() -> None:
    """python-oracledb and cx_Oracle start every message with the code."""
    assert seen(error_facts(exception("oracledb.exceptions", "IntegrityError", "ORA-00001: unique (bob)"))) == (
        "integrity",
        "oracledb.exceptions.IntegrityError",
        "ORA-00001",
    )
    assert error_facts(exception("cx_Oracle", "DatabaseError", "ORA-00060: deadlock")).type == "deadlock"
    assert error_facts(exception("oracledb.exceptions", "DatabaseError", "DPY-4024: call timeout")).type == "timeout"
    assert error_facts(exception("oracledb.exceptions", "InterfaceError", "bob ORA-00001: x")).type == "connection"


def test_sql_server() -> None:
    """pyodbc gives a SQLSTATE, pymssql a number; SQL Server's deadlock shares ODBC's code for serialization."""
    assert seen(error_facts(exception("pyodbc", "IntegrityError", "23000", "[23000] bob"))) == (
        "integrity",
        "pyodbc.IntegrityError",
        "23000",
    )
    assert (
        error_facts(exception("pyodbc", "OperationalError", "HYT00", "[HYT00] Login timeout expired")).type == "timeout"
    )
    assert error_facts(exception("pyodbc", "Error", "40001", "deadlocked on lock")).type == "deadlock"
    assert error_facts(exception("pymssql._pymssql", "IntegrityError", 2627, b"bob")).type == "integrity"
    assert error_facts(exception("pymssql._pymssql", "OperationalError", 1205, b"bob")).type == "deadlock"


# --- without any code


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (asyncio.CancelledError(), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (ConnectionRefusedError(111, "bob"), "connection"),
        (BrokenPipeError(), "connection"),
        (MemoryError(), "resource"),
        (OverflowError("int too large"), "data"),
        (ValueError("deadlock detected, timeout, permission denied"), "other"),
        (Exception(), "other"),
    ],
)
def test_exceptions_of_python(error: BaseException, kind: str) -> None:
    """Class names decide; a message alone never does."""
    assert seen(error_facts(error)) == (
        kind,
        type(error).__qualname__ if kind != "cancelled" else error_facts(error).exception,
        "",
    )


def test_what_an_exception_was_raised_from_decides_only_if_itself_says_nothing() -> None:
    """A person's wrapper tells nothing, its cause does; a time-out is one whatever was handled before."""
    refused = RuntimeError("could not save")
    refused.__cause__ = sqlite3.IntegrityError("UNIQUE constraint failed")
    assert error_facts(refused).type == "integrity"
    late = TimeoutError()
    late.__context__ = sqlite3.IntegrityError("handled long ago")
    assert error_facts(late).type == "timeout"
    quiet = RuntimeError("x")
    quiet.__context__ = sqlite3.IntegrityError("hidden by 'from None'")
    quiet.__suppress_context__ = True
    assert error_facts(quiet).type == "other"


def test_a_chain_that_is_a_cycle_or_endless_comes_to_an_end() -> None:
    """Bounded, whatever a program does to ``__cause__``."""
    first, second = RuntimeError(), RuntimeError()
    first.__cause__, second.__cause__ = second, first
    assert error_facts(first).type == "other"
    chain: BaseException = sqlite3.IntegrityError()
    for _ in range(5000):
        outer = RuntimeError()
        outer.__cause__ = chain
        chain = outer
    assert error_facts(chain).type == "other"


class HostileError(Exception):
    """Raises from wherever it is touched."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("bob@example.com")

    def __str__(self) -> str:
        raise RuntimeError("bob@example.com")


def test_a_hostile_exception_raises_nothing() -> None:
    """Not even one whose every property raises."""
    assert seen(error_facts(HostileError())) == ("other", f"{__name__}.HostileError", "")
    wrapper = exception("sqlalchemy.exc", "DBAPIError", orig=HostileError())
    assert error_facts(wrapper).type in ERROR_TYPES


@given(code=st.text(max_size=8), owner=st.sampled_from(["", "pymysql", "mysql", "sqlite3", "mssql", "oracledb", "x.y"]))
def test_any_code_has_a_type(code: str, owner: str) -> None:
    """Every text is looked up to one of the documented types."""
    assert type_of_sqlstate(code) in ERROR_TYPES
    assert type_of_code(code, owner) in ERROR_TYPES
    assert facts_of_names(owner, code).type in ERROR_TYPES


@pytest.mark.parametrize(
    "table",
    ["SQLSTATES", "SQLSTATE_CLASSES", "MYSQL", "SQL_SERVER", "ORACLE", "SQLITE", "EXCEPTIONS"],
)
def test_the_tables_hold_documented_types_only(table: str) -> None:
    """A typing error in a table would be a new label value."""
    assert set(getattr(error_codes, table).values()) <= ERROR_TYPES


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("psycopg.errors.UniqueViolation", "23505", "postgresql"), "integrity"),
        (("pymysql.err.OperationalError", "1213", ""), "deadlock"),
        (("", "1205", "mysql"), "timeout"),
        (("", "1205", "microsoft.sql_server"), "deadlock"),
        (("", "SQLITE_CONSTRAINT_UNIQUE", "sqlite"), "integrity"),
        (("", "ORA-00060", "oracle.db"), "deadlock"),
        (("sqlite3.IntegrityError", "", ""), "integrity"),
        (("TimeoutError", "", ""), "timeout"),
        (("app.Refused", "", ""), "other"),
        (("", "", ""), "other"),
        (("", "404", "elasticsearch"), "other"),
    ],
)
def test_names_alone_still_tell(names: tuple[str, str, str], kind: str) -> None:
    """A span that someone else made carries names only."""
    assert seen(facts_of_names(*names)) == (kind, names[0], names[1])
