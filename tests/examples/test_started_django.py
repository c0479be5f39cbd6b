"""Django's ORM, started as its page says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("django")

from server import Server
from starting import Example, statements_of

CANARY = "canary-4711"
LOOP = 'return JsonResponse({"books": [{"title": book.title, "author": book.author.name} for book in page]})'
VISITS = Counter(
    {
        'SELECT "bookshop_book"': 1,
        'SELECT "bookshop_author"': 10,
        'SELECT "bookshop_book" "bookshop_author"': 1,
        'INSERT "bookshop_author"': 2,
        'INSERT "bookshop_book"': 1,
    }
)
#: What the migration does, and how Django keeps account of it.
MIGRATED = Counter(
    {
        'CREATE TABLE "django_migrations"': 1,
        'SELECT "django_migrations"': 2,
        'CREATE TABLE "bookshop_author"': 1,
        'CREATE TABLE "bookshop_book"': 1,
        'CREATE INDEX "bookshop_book_author_id_90f787b0"': 1,
        'INSERT "bookshop_author"': 10,
        'INSERT "bookshop_book"': 10,
        'INSERT "django_migrations"': 1,
    }
)


def visited(folder: Path, environment: dict[str, str] | None = None) -> Example:
    """An example that was visited and ended; what holds on any database was looked at."""
    new = {"title": CANARY, "author": CANARY, "email": f"{CANARY}@example.com"}
    with Example("django", folder, environment) as example:
        example.wait_until_open("/nowhere")
        assert example.visit("/books") == 200
        assert example.visit("/books/eager") == 200
        assert example.visit("/books", new) == 201
        assert example.visit("/books", new) == 500
    assert example.services() == {"bookshop"}
    assert example.places_of_n_plus_one() == {("bookshop_author", LOOP)}
    assert example.counted() == example.summaries().total()
    assert example.summaries() >= VISITS + MIGRATED
    assert example.errors() == {"integrity": 1}
    assert CANARY.encode() not in example.arrived.raw
    return example


def test_on_sqlite(tmp_path: Path) -> None:
    """Exactly what Django sends: it sets up each request's connection and begins transactions by statements, too."""
    example = visited(tmp_path)
    set_up = Counter({"PRAGMA": 18, "select": 5, "SELECT sqlite_master": 5, "BEGIN": 4})
    assert example.summaries() == VISITS + MIGRATED + set_up
    assert example.requests() == {"GET books": 11 + 3, "GET books/eager": 1 + 3, "POST books": 2 + 3}


def test_on_postgresql(postgres: Server, tmp_path: Path) -> None:
    """As many as the server has executed, and the one it refused."""
    postgres.run("SELECT pg_stat_statements_reset()")
    example = visited(tmp_path, {"DATABASE_URL": postgres.url})
    assert example.counted() == statements_of(postgres) + 1
    # One more than the pages ask: each request's connection is told the time zone.
    assert example.requests() == {"GET books": 11 + 1, "GET books/eager": 1 + 1, "POST books": 1 + 1}
