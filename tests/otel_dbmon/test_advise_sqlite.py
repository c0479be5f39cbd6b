"""Index advice on a SQLite file, as a person asks for it: what is shown, and that the file is only read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from launching import Arrived, labels

from otel_dbmon.advise.advice import advise
from otel_dbmon.advise.database import open_database
from otel_dbmon.advise.model import AdviceError
from otel_dbmon.advise.sources import from_file
from otel_dbmon.advise.watch import Publisher
from otel_dbmon.advise.workload import Sighting, workload_of
from otel_dbmon.command import main
from otel_dbmon.demo.receiver import Receiver

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, country TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER, status TEXT, created_at TEXT, "when" TEXT);
CREATE INDEX orders_status ON orders (status);
CREATE VIEW recent AS SELECT * FROM orders;
CREATE TRIGGER watcher AFTER INSERT ON orders BEGIN DELETE FROM users; END;
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A database."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA)
        connection.execute("DROP TRIGGER watcher")
        connection.executemany("INSERT INTO users VALUES (?, ?, ?)", [(i, f"u{i}", "de") for i in range(2000)])
        connection.executemany(
            "INSERT INTO orders VALUES (?, ?, ?, ?, ?)", [(i, i % 500, f"s{i % 4}", f"{i:06}", "") for i in range(5000)]
        )
        connection.commit()
    return path


def suggested(path: Path, *statements: str) -> list[str]:
    """The indexes that are suggested for these."""
    with closing(open_database(str(path))) as database:
        advice = advise(workload_of(map(Sighting, statements), "sqlite"), database.prover)
        return [database.prover.create(found.index) for found in advice.suggestions]


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("SELECT * FROM users WHERE email = ?", "users_email_idx ON users (email)"),
        ("UPDATE users SET country = 'fr' WHERE email = 'ann@example.com'", "users_email_idx ON users (email)"),
        (
            "SELECT * FROM orders WHERE user_id = :user ORDER BY created_at DESC LIMIT 10",
            "orders_user_id_created_at_idx ON orders (user_id, created_at)",
        ),
        (
            "SELECT * FROM orders o JOIN users u ON u.email = o.created_at",
            "orders_created_at_idx ON orders (created_at)",
        ),
        ('SELECT * FROM orders WHERE "when" = ?', 'orders_when_idx ON orders ("when")'),
    ],
)
def test_what_the_planner_would_use_is_suggested(shop: Path, statement: str, index: str) -> None:
    """Instead of reading the table, or of sorting."""
    assert suggested(shop, statement) == [f"CREATE INDEX {index};"]


def test_no_index_helps_a_join_of_whole_tables(shop: Path) -> None:
    """It would be used, and every row read all the same: each of few users has many orders."""
    with closing(sqlite3.connect(shop)) as connection:
        connection.execute("DELETE FROM users WHERE id >= 100")
        connection.execute("CREATE INDEX users_country ON users (country)")
        connection.commit()
    statement = "SELECT u.country, count(*) FROM orders o JOIN users u ON u.id = o.user_id GROUP BY 1 ORDER BY 2"
    assert suggested(shop, statement) == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM users WHERE id = ?",
        "SELECT * FROM orders WHERE status = ?",
        "SELECT count(*) FROM orders",
        "INSERT INTO users VALUES (1, 'a', 'b')",
    ],
)
def test_what_is_there_is_not_suggested(shop: Path, statement: str) -> None:
    """The table's own order, an index that exists; and nothing helps who reads everything."""
    assert suggested(shop, statement) == []


def test_the_file_is_only_read(shop: Path) -> None:
    """Not one byte changes, nothing comes beside it, and a file that nobody may write is fine."""
    before = hashlib.sha256(shop.read_bytes()).digest()
    shop.chmod(0o444)
    assert suggested(shop, "SELECT * FROM users WHERE email = ?", "DELETE FROM users WHERE email = 'x'")
    assert hashlib.sha256(shop.read_bytes()).digest() == before
    assert [path.name for path in shop.parent.iterdir()] == ["shop.db"]


def test_the_command_answers_json(shop: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Every key that a program may want, no value of the statements."""
    statements = tmp_path / "statements.jsonl"
    statements.write_text(
        '{"sql": "SELECT * FROM users WHERE email = \'ann@example.com\'", "calls": 7, "service": "user-svc"}\n'
        '{"sql": "SELECT * FROM recent WHERE status = 5"}\n'
        '{"query": "BEGIN"}\n'
    )
    assert main(["advise", str(shop), "--file", str(statements), "--format", "json", "--check"]) == 3
    text = capsys.readouterr().out
    answer = json.loads(text)
    (suggestion,) = answer["suggestions"]
    assert (answer["proof"], answer["analysed"], answer["searching_nothing"]) == ("plan", 1, 1)
    assert (suggestion["table"], suggestion["columns"], suggestion["services"]) == ("users", ["email"], ["user-svc"])
    assert suggestion["statements"][0]["calls"] == 7
    assert [found["reason"] for found in answer["unanalysed"]] == ["it reads a view"]
    assert "ann@" not in text


def test_a_file_of_sql_is_split_where_statements_end(shop: Path, tmp_path: Path) -> None:
    """Not inside a string or a comment."""
    text = "SELECT ';' FROM users; -- a; b\nSELECT 2 FROM users WHERE email = 'x;y';\n\n;"
    assert [found.text for found in from_file("f", text, "sqlite")] == [
        "SELECT ';' FROM users",
        "-- a; b\nSELECT 2 FROM users WHERE email = 'x;y'",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 'open", "no SQL"),
        ('{"sql": "SELECT 1"}\n{"sql": ', "line 2 is not JSON"),
        ('{"text": "SELECT 1"}', "line 1 holds no statement"),
        ('{"sql": "SELECT 1", "calls": "many"}', '"calls" is no number'),
        ('{"sql": "SELECT 1", "calls": NaN}', '"calls" is no number'),
    ],
)
def test_a_wrong_file_is_one_message(text: str, message: str) -> None:
    """It names the line, and repeats nothing of it."""
    with pytest.raises(AdviceError, match=message) as raised:
        from_file("statements", text, "sqlite")
    assert "SELECT" not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.db", "--file", "-"], 1, "no SQLite database"),
        (["oracle://host/db", "--file", "-"], 1, "known are postgresql://"),
        ([], 2, "Missing argument 'DATABASE'"),
        (["shop.db", "--watch", "1"], 2, "is not in the range"),
    ],
)
def test_a_mistake_is_one_message(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code says whose it was."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert main(["advise", *arguments]) == code
    assert message in capsys.readouterr().err


def test_sqlite_remembers_no_statements(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So a file has to be given."""
    assert main(["advise", str(shop)]) == 1
    assert "--file" in capsys.readouterr().err


def test_a_file_without_a_statement_is_said(shop: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Rather than that there is nothing to do."""
    (tmp_path / "empty.sql").write_text("-- nothing yet\n")
    assert main(["advise", str(shop), "--file", str(tmp_path / "empty.sql")]) == 1
    assert "no statement" in capsys.readouterr().err


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """One on a free port."""
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", "0")
    found = Publisher("user-svc")
    yield found
    found.close()


def test_what_is_no_longer_suggested_is_published_as_zero(shop: Path, publisher: Publisher) -> None:
    """An alert on the metric ends when the index is there."""
    port = publisher.start()
    workload = workload_of([Sighting("SELECT * FROM users WHERE email = ?")], "sqlite")
    series = 'database_index_suggestions{service="user-svc",table="users"}'
    for expected in (1, 0):
        with closing(open_database(str(shop))) as database:
            publisher.publish(advise(workload, database.prover))
        with urllib.request.urlopen(f"http://localhost:{port}/metrics", timeout=10) as page:
            assert f"{series} {expected}.0\n" in page.read().decode()
        with closing(sqlite3.connect(shop)) as connection:
            connection.execute("CREATE INDEX users_email ON users (email)" if expected else "SELECT 1")


def test_suggestions_leave_by_otlp_as_well(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found last is sent at the end, too."""
    arrived = Arrived()
    with Receiver(arrived.take) as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        publisher = Publisher("user-svc", by_otlp=True)
        assert publisher.start() is None
        with closing(open_database(str(shop))) as database:
            workload = workload_of([Sighting("SELECT * FROM users WHERE email = ?")], "sqlite")
            publisher.publish(advise(workload, database.prover))
        publisher.close()
    (point,) = arrived.points("database.index.suggestions")
    assert (labels(point), point.as_int) == ({"service": "user-svc", "table": "users"}, 1)


def test_watching_publishes(shop: Path, tmp_path: Path) -> None:
    """The command says where its metrics are, and what it found."""
    statements = tmp_path / "statements.sql"
    statements.write_text("SELECT * FROM users WHERE email = 'x'; SELECT * FROM orders WHERE user_id = 5;")
    environment = {**os.environ, "OTEL_EXPORTER_PROMETHEUS_PORT": "0", "OTEL_SERVICE_NAME": "user-svc"}
    command = [sys.executable, "-m", "otel_dbmon", "advise", str(shop), "--file", str(statements), "--watch", "600"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        port = re.search(r"metrics on port (\d+)", process.stderr.readline())
        assert port is not None
        assert "2 suggestions for 2 statements" in process.stderr.readline()
        with urllib.request.urlopen(f"http://localhost:{port[1]}/metrics", timeout=10) as page:
            assert 'database_index_suggestions{service="user-svc",table="orders"} 1.0' in page.read().decode()
        process.terminate()
