"""What becomes of a statement before its database is asked, and whether the database can answer then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml
from server import Server

from otel_dbmon.explain.asking import NoPlanError
from otel_dbmon.explain.postgres import LibpqDoor, open_door
from otel_dbmon.explain.reading import template_of
from otel_dbmon.explain.sender import Address
from otel_dbmon.explain.template import TemplateError, colon, dollar

QUESTIONS = yaml.safe_load((Path(__file__).parent / "questions.yaml").read_text(encoding="utf-8"))


def text_of(statement: str) -> str:
    """What would be sent, with single blanks."""
    return " ".join(template_of(statement, "postgresql").text(dollar).split())


@pytest.fixture(scope="module")
def door(server: Server) -> Iterator[LibpqDoor]:
    """A connection of the kind that the service has."""
    url = urlsplit(server.url)
    place = {"host": url.hostname, "port": str(url.port), "user": url.username, "dbname": url.path[1:]}
    opened = open_door(Address("psycopg", tuple((key, value or "") for key, value in place.items())))
    yield opened
    opened.close()


@pytest.mark.parametrize("case", QUESTIONS, ids=lambda case: case["statement"][:40])
def test_a_question_holds_no_value_and_has_an_answer(door: LibpqDoor, case: dict[str, str]) -> None:
    """It says what the statement says, and PostgreSQL plans it."""
    assert text_of(case["statement"]) == case["question"]
    plan = door.plan(template_of(case["statement"], "postgresql"))
    assert plan.text
    assert plan.cost is not None


def test_nothing_is_left_behind(door: LibpqDoor, server: Server) -> None:
    """No prepared statement, no transaction, no row, neither after an answer nor after a refusal."""
    connection: psycopg.Connection[object] = door.connection
    door.plan(template_of("INSERT INTO orders (id) VALUES (123456)", "postgresql"))
    for statement in ("SELECT nothing FROM users", "SELECT email + 1 FROM users"):
        with pytest.raises(NoPlanError) as caught:
            door.plan(template_of(statement, "postgresql"))
        assert (caught.value.missing, caught.value.is_over) == ("refused", False)
    assert connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
    assert connection.info.transaction_status.name == "IDLE"
    assert connection.execute("SELECT count(*) FROM orders WHERE id = 123456").fetchone() == (0,)


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "   -- nothing",
        "VACUUM users",
        "BEGIN",
        "SELECT 1; DELETE FROM users",
        "SELECT 'it''s",
        'SELECT "id',
        "SELECT $a$ FROM users",
        "SELECT (1",
        "SELECT 1)",
        "SELECT ')(' FROM a WHERE (",
        "EXPLAIN ANALYZE SELECT 1",
        "DO $$ BEGIN END $$",
        "SELECT " + ", ".join(map(str, range(3000))),
        "SELECT '" + "x" * 200_000 + "'",
    ],
)
def test_what_is_no_single_whole_statement_is_not_asked_for(statement: str) -> None:
    """It says why, and nothing of the statement."""
    with pytest.raises(TemplateError) as caught:
        template_of(statement, "postgresql")
    assert "users" not in str(caught.value)


def test_sqlite_has_parameters_of_its_own() -> None:
    """And names in brackets."""
    text = "SELECT [a b], `c` FROM t WHERE x = ? AND y = :y AND z = @z AND w = :y AND v > X'00' LIMIT 3, 5"
    question = "SELECT [a b], `c` FROM t WHERE x = :p1 AND y = :p2 AND z = :p3 AND w = :p2 AND v > :p4 LIMIT 3, 5"
    assert " ".join(template_of(text, "sqlite").text(colon).split()) == question


def test_an_address_tells_nobody_its_password() -> None:
    """Neither printed nor in a traceback."""
    assert "hunter2" not in repr(Address("psycopg", (("password", "hunter2"),)))
