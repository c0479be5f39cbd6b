"""FastAPI over SQLAlchemy's async engine, started as its page says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from server import Server
from starting import Example, statements_of

CANARY = "canary-4711"
VISITS = Counter({"SELECT books": 3, "SELECT authors": 11})
LOOP = 'return [{"title": book.title, "author": (await book.awaitable_attrs.author).name} for book in found]'


def visited(folder: Path, environment: dict[str, str] | None = None) -> Example:
    """An example that was visited and ended; what holds on any database was looked at."""
    with Example("fastapi", folder, environment) as example:
        example.wait_until_open("/nowhere")
        assert example.visit("/books") == 200
        assert example.visit("/books/eager") == 200
        assert example.visit("/books", {"title": CANARY, "author": CANARY}) == 201
    assert example.services() == {"library"}
    assert CANARY.encode() not in example.arrived.raw
    assert example.summaries() >= VISITS
    assert example.places_of_n_plus_one() == {("authors", LOOP)}
    assert example.counted() == example.summaries().total()
    assert example.requests() == {"GET /books": 11, "GET /books/eager": 2, "POST /books": 2}
    return example


def test_on_sqlite(tmp_path: Path) -> None:
    """Four looks at what tables there are, two that are made, ten rows into each, and the visits."""
    start = Counter({"PRAGMA": 4, "CREATE TABLE authors": 1, "CREATE TABLE books": 1})
    inserts = Counter({"INSERT authors": 10 + 1, "INSERT books": 10 + 1})
    assert visited(tmp_path).summaries() == start + inserts + VISITS


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_on_postgresql(driver: str, postgres: Server, tmp_path: Path) -> None:
    """As many as the server has executed, though the driver below SQLAlchemy is instrumented, too."""
    postgres.run("SELECT pg_stat_statements_reset()")
    example = visited(tmp_path, {"DATABASE_URL": postgres.url.replace("postgresql", f"postgresql+{driver}")})
    assert example.counted() == statements_of(postgres)
