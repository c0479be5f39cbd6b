"""Index advice on MariaDB: candidates for tables that are read as a whole, and no promise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pymysql
import pytest
from cluster import MariaDB, private

from otel_dbmon.advise.advice import Advice, advise
from otel_dbmon.advise.database import open_database
from otel_dbmon.advise.workload import Sighting, workload_of


@pytest.fixture(scope="module")
def mariadb() -> Iterator[str]:
    """The URL of a MariaDB of these tests' own."""
    with private(MariaDB) as server:
        yield server.url


@pytest.fixture(scope="module")
def shop(mariadb: str) -> Iterator[str]:
    """The URL of a database with two tables."""
    with closing(pymysql.connect(unix_socket=mariadb.partition("unix_socket=")[2], user="root")) as connection:
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE advice")
            cursor.execute("USE advice")
            cursor.execute("CREATE TABLE users (id INT PRIMARY KEY, email VARCHAR(99), joined DATE, KEY (joined))")
            cursor.execute("CREATE TABLE orders (id INT PRIMARY KEY, user_id INT, `when` DATETIME)")
            cursor.execute("INSERT INTO users SELECT seq, CONCAT('u', seq), '2024-01-01' FROM seq_1_to_5000")
            cursor.execute("INSERT INTO orders SELECT seq, seq % 900, NOW() FROM seq_1_to_5000")
            cursor.execute("ANALYZE TABLE users, orders")
            connection.commit()
        yield mariadb.replace("/dbmon?", "/advice?")


def ask(url: str, *statements: str) -> tuple[Advice, list[str]]:
    """Have statements advised on."""
    with closing(open_database(url)) as database:
        advice = advise(workload_of(map(Sighting, statements), "mysql"), database.prover)
        return advice, [database.prover.create(found.index) for found in advice.suggestions]


def test_full_scans_get_candidates(shop: str) -> None:
    """They are marked as unproven, and can be created while others write."""
    advice, created = ask(
        shop,
        "SELECT * FROM users WHERE email = 'ann@example.com'",
        "SELECT o.id FROM orders AS o WHERE o.user_id = ? ORDER BY o.`when` LIMIT ?",
    )
    assert advice.proof == "none"
    assert sorted(created) == [
        "ALTER TABLE orders ADD INDEX orders_user_id_when_idx (user_id, `when`), ALGORITHM=INPLACE, LOCK=NONE;",
        "ALTER TABLE users ADD INDEX users_email_idx (email), ALGORITHM=INPLACE, LOCK=NONE;",
    ]
    socket = shop.partition("unix_socket=")[2]
    with closing(pymysql.connect(unix_socket=socket, user="root", database="advice")) as connection:
        for statement in (*created, *(text.replace("ADD", "DROP").partition(" (")[0] for text in created)):
            connection.query(statement)


def test_what_is_found_by_an_index_gets_none(shop: str) -> None:
    """Whatever the parameter's type."""
    _, created = ask(
        shop, "SELECT * FROM users WHERE id = ?", "UPDATE users SET email = 'x' WHERE joined = ? AND id > 5"
    )
    assert created == []


def test_nothing_can_be_written(shop: str) -> None:
    """The connection is one for reading."""
    with closing(open_database(shop)) as database:
        connection = database.prover._connection  # type: ignore[attr-defined]
        with connection.cursor() as cursor, pytest.raises(pymysql.Error):
            cursor.execute("DELETE FROM users")
