"""A statement becomes a template, a template becomes words."""

from __future__ import annotations

import pytest

from otel_dbmon_processors.dialects import (
    DIALECTS,
    MSSQL,
    MYSQL,
    ORACLE,
    POSTGRESQL,
    SNOWFLAKE,
    UNKNOWN,
    Dialect,
    dialect_for,
)
from otel_dbmon_processors.lexer import UNCLOSED, lexer_for


@pytest.mark.parametrize(
    ("system", "dialect"),
    [
        ("postgresql", POSTGRESQL),
        ("PostgreSQL", POSTGRESQL),
        ("cockroachdb", POSTGRESQL),
        ("mariadb", MYSQL),
        ("mssql", MSSQL),
        ("microsoft.sql_server", MSSQL),
        ("oracle", ORACLE),
        ("oracle.db", ORACLE),
        ("snowflake", SNOWFLAKE),
        ("other_sql", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_old_and_new_names_of_systems_find_their_dialect(system: str, dialect: Dialect) -> None:
    """Both `db.system` and `db.system.name` arrive."""
    assert dialect_for(system) is dialect


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_template_is_its_own_template(dialect: Dialect) -> None:
    """What was taken out is out, what stayed stays."""
    lexer = lexer_for(dialect)
    text = lexer.without_comments("SELECT a1, 'x', 5, `b`, f($1) -- c\nFROM t WHERE d = 0x1F /* e */ AND g LIKE N'h'")
    template = lexer.template(text)
    assert lexer.template(lexer.without_comments(template)) == template


@pytest.mark.parametrize(
    ("dialect", "text", "template"),
    [
        (POSTGRESQL, "a = $x$b$x$ AND c = 1", "a = ? AND c = ?"),
        (POSTGRESQL, "a$b$c = 1", "a$b$c = ?"),
        (POSTGRESQL, "5$x$secret$x$", "??"),
        (POSTGRESQL, "E'\\'secret' 'x'", "? ?"),
        (ORACLE, "q'[it's]' || 'x'", "? || ?"),
        (UNKNOWN, "q'[it's]' || 'x'", "?"),
        (UNKNOWN, "'a\\' secret' b", "?"),
        (SNOWFLAKE, "FROM @s.t/a/2023/b WHERE c = 1", "FROM @s.t/a/2023/b WHERE c = ?"),
        (MSSQL, "[a'b] = 'x' AND [c = 1", f"[a'b] = ? AND {UNCLOSED}c = ?"),
    ],
)
def test_what_dialects_disagree_on(dialect: Dialect, text: str, template: str) -> None:
    """Quotes, backslashes, dollars and brackets, each in the way of its system."""
    assert lexer_for(dialect).template(text) == template


def test_words_are_names_brackets_parameters_and_operators() -> None:
    """A dotted name is one word, quoted or not; white space makes no difference."""
    words = lexer_for(POSTGRESQL).words('SELECT "a" . "b",c.d::int>= %(x)s FROM(t)')
    assert words == ["SELECT", '"a" . "b"', ",", "c.d", "::int", ">", "=", "%(x)s", "FROM", "(", "t", ")"]
    assert lexer_for(POSTGRESQL).words("a>=b , f( ? )") == ["a", ">", "=", "b", ",", "f", "(", "?", ")"]
