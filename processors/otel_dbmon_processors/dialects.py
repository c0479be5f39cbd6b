"""A database system's name comes in, what its lexer believes about quotes, comments and digits goes out.

A dialect is data: whoever adds one adds a line here, no code. Where a system leaves a choice to a server setting, as
MySQL's ANSI_QUOTES or PostgreSQL's standard_conforming_strings, the default counts. Where the system is unknown, every
choice that could leak is ``EITHER``: the lexer follows both readings and redacts to the end where they part.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Reading(Enum):
    """How a dialect reads a construct on which dialects differ."""

    NO = "no"
    YES = "yes"
    #: Unknown: what is safe under both readings.
    EITHER = "either"


_NO, _YES, _EITHER = Reading.NO, Reading.YES, Reading.EITHER


@dataclass(frozen=True, eq=False)
class Dialect:
    """What a lexer has to know about one family of database systems.

    Attributes:
        name: Its name, for people.
        double_quoted_literals: Whether ``"x"`` is a string (MySQL) or a name (the standard).
        backslash_escapes: Whether a backslash in ``'..'`` escapes the next character.
        escape_strings: Whether ``E'..'`` is a string in which a backslash escapes.
        tripled_quotes: Whether three quotes start a string that three quotes end.
        bracketed_names: Whether ``[x]`` is a name; EITHER: a name where it cannot be a subscript.
        hash_comments: Whether ``#`` starts a comment.
        slash_comments: Whether ``//`` starts a comment.
        dashes_need_space: Whether ``--`` starts a comment only before white space.
        nested_comments: Whether ``/* /* */ */`` is one comment.
        return_ends_comments: Whether a lone carriage return ends a comment.
        alternative_quotes: Whether ``q'[..]'`` is a string.
        numbered_parameters: The characters that make a parameter of the number that follows them.
        hash_in_names: Whether ``file#`` and ``#t`` are names.
        stages: Whether ``@stage/path`` is a name.
        quoted_string_targets: Whether ``FROM 'x'`` names a table.
        bare_settings: Whether the bare word in ``SET x = word`` is a string.
    """

    name: str
    double_quoted_literals: Reading = _NO
    backslash_escapes: Reading = _NO
    escape_strings: bool = False
    tripled_quotes: bool = False
    bracketed_names: Reading = _NO
    hash_comments: Reading = _NO
    slash_comments: Reading = _NO
    dashes_need_space: Reading = _NO
    nested_comments: Reading = _NO
    return_ends_comments: Reading = _NO
    alternative_quotes: Reading = _NO
    numbered_parameters: str = "$:?"
    hash_in_names: bool = False
    stages: bool = False
    quoted_string_targets: bool = False
    bare_settings: bool = False


POSTGRESQL = Dialect(
    "postgresql",
    escape_strings=True,
    nested_comments=_YES,
    return_ends_comments=_YES,
    numbered_parameters="$",
    bare_settings=True,
)
# Redshift's lexer comes from PostgreSQL 8.0, whose backslash depends on a setting.
REDSHIFT = Dialect(
    "redshift",
    backslash_escapes=_EITHER,
    nested_comments=_YES,
    return_ends_comments=_YES,
    numbered_parameters="$",
    bare_settings=True,
)
MYSQL = Dialect(
    "mysql",
    double_quoted_literals=_YES,
    backslash_escapes=_YES,
    hash_comments=_YES,
    dashes_need_space=_YES,
    numbered_parameters="",
)
SQLITE = Dialect("sqlite", bracketed_names=_YES, numbered_parameters="$:?@", quoted_string_targets=True)
# SQL Server's manual: comments nest, and `$1` is an amount of money.
MSSQL = Dialect(
    "mssql",
    bracketed_names=_YES,
    nested_comments=_YES,
    numbered_parameters="@:",
    hash_in_names=True,
)
ORACLE = Dialect("oracle", alternative_quotes=_YES, numbered_parameters=":", hash_in_names=True)
SNOWFLAKE = Dialect("snowflake", backslash_escapes=_YES, slash_comments=_YES, stages=True)
BIGQUERY = Dialect(
    "bigquery",
    double_quoted_literals=_YES,
    backslash_escapes=_YES,
    tripled_quotes=True,
    hash_comments=_YES,
    numbered_parameters="@",
)
SPARK = Dialect("spark", double_quoted_literals=_YES, backslash_escapes=_YES)
CLICKHOUSE = Dialect("clickhouse", backslash_escapes=_YES, hash_comments=_YES)
CASSANDRA = Dialect("cassandra", slash_comments=_YES)
STANDARD = Dialect("standard")
UNKNOWN = Dialect(
    "unknown",
    double_quoted_literals=_EITHER,
    backslash_escapes=_EITHER,
    bracketed_names=_EITHER,
    hash_comments=_EITHER,
    slash_comments=_EITHER,
    dashes_need_space=_EITHER,
    nested_comments=_EITHER,
    return_ends_comments=_EITHER,
    alternative_quotes=_EITHER,
    numbered_parameters="$:?@",
    quoted_string_targets=True,
)

DIALECTS = (
    POSTGRESQL,
    REDSHIFT,
    MYSQL,
    SQLITE,
    MSSQL,
    ORACLE,
    SNOWFLAKE,
    BIGQUERY,
    SPARK,
    CLICKHOUSE,
    CASSANDRA,
    STANDARD,
    UNKNOWN,
)

# Values of `db.system` (until semantic conventions 1.27) and of `db.system.name`, and SQLAlchemy's names.
_DIALECT_OF_SYSTEM = {
    "postgresql": POSTGRESQL,
    "postgres": POSTGRESQL,
    "cockroachdb": POSTGRESQL,
    "edb": POSTGRESQL,
    "greenplum": POSTGRESQL,
    "yugabytedb": POSTGRESQL,
    "timescaledb": POSTGRESQL,
    "duckdb": POSTGRESQL,
    "redshift": REDSHIFT,
    "aws.redshift": REDSHIFT,
    "mysql": MYSQL,
    "mariadb": MYSQL,
    "tidb": MYSQL,
    "sqlite": SQLITE,
    "mssql": MSSQL,
    "microsoft.sql_server": MSSQL,
    "mssqlcompact": MSSQL,
    "sybase": MSSQL,
    "oracle": ORACLE,
    "oracle.db": ORACLE,
    "snowflake": SNOWFLAKE,
    "bigquery": BIGQUERY,
    "gcp.bigquery": BIGQUERY,
    "gcp.spanner": BIGQUERY,
    "spanner": BIGQUERY,
    "hive": SPARK,
    "spark": SPARK,
    "databricks": SPARK,
    "clickhouse": CLICKHOUSE,
    "clickhousedb": CLICKHOUSE,
    "cassandra": CASSANDRA,
    "ibm.db2": STANDARD,
    "db2": STANDARD,
    "h2": STANDARD,
    "h2database": STANDARD,
    "hsqldb": STANDARD,
    "derby": STANDARD,
    "firebird": STANDARD,
    "firebirdsql": STANDARD,
    "trino": STANDARD,
    "presto": STANDARD,
    "teradata": STANDARD,
    "vertica": STANDARD,
    "sap.hana": STANDARD,
    "hanadb": STANDARD,
}


def dialect_for(system: str) -> Dialect:
    """The dialect of a database system.

    Args:
        system: A value of ``db.system.name`` or of the older ``db.system``, in any case.

    Returns:
        The system's dialect, ``UNKNOWN`` (the most careful one) if the name says nothing.
    """
    return _DIALECT_OF_SYSTEM.get(system.lower(), UNKNOWN)
