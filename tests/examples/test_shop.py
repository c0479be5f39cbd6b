"""The shop as an ordinary web service: its pages work, and not one line of it is about monitoring."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

flask_testing = pytest.importorskip("flask.testing")
sqlalchemy = pytest.importorskip("sqlalchemy")

FOLDER = Path(__file__).parents[2] / "examples" / "shop"
MODULES = ("app", "models", "seed")


@contextmanager
def counted_statements(engine: Any) -> Iterator[list[str]]:
    """Every statement the shop sends while the context is entered."""
    statements: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    sqlalchemy.event.listen(engine, "before_cursor_execute", count)
    yield statements
    sqlalchemy.event.remove(engine, "before_cursor_execute", count)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A seeded shop's database."""
    monkeypatch.syspath_prepend(str(FOLDER))
    from models import open_database
    from seed import seed

    engine = open_database(tmp_path / "shop.db")
    seed(engine)
    yield engine
    engine.dispose()
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def client(engine: Any) -> Any:
    """Somebody who visits the shop."""
    from app import create_app

    return create_app(engine).test_client()


def test_the_source_knows_nothing_of_monitoring() -> None:
    """Not one line had to be changed, and there is none that could be."""
    for source in FOLDER.glob("*.py"):
        text = source.read_text().lower()
        assert not any(word in text for word in ("opentelemetry", "otel", "dbmon", "telemetry", "sentry", "prometheus"))


@pytest.mark.parametrize(
    "path",
    [
        "/health",
        "/products/1",
        "/products/1/reviews",
        "/customers/1/reviews",
        "/reports/sales",
        "/reports/stars",
        "/reports/best-customers",
        "/orders",
    ],
)
def test_pages_answer(client: Any, path: str) -> None:
    """Every page a visitor reads holds something."""
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.json


def test_a_product_that_does_not_exist_is_not_found(client: Any) -> None:
    """An unknown number is the visitor's mistake."""
    assert client.get("/products/99999").status_code == 404


def test_the_eager_twin_shows_the_same_page_with_two_statements(client: Any, engine: Any) -> None:
    """The page that loads row by row needs more than a hundred."""
    with counted_statements(engine) as row_by_row:
        slow = client.get("/orders").json
    with counted_statements(engine) as eager:
        fast = client.get("/orders/eager").json
    assert slow == fast
    assert len(row_by_row) > 60
    assert len(eager) == 2


def test_an_order_takes_from_the_stock(client: Any) -> None:
    """One statement reads, the others write."""
    before = client.get("/products/3").json["stock"]
    answer = client.post("/orders", json={"customer_id": 1, "product_id": 3, "quantity": 2})
    assert answer.status_code == 201
    assert client.get("/products/3").json["stock"] == before - 2


def test_a_review_is_shown_after_it_was_written(client: Any) -> None:
    """The newest comes first."""
    client.post("/products/5/reviews", json={"customer_id": 1, "stars": 4, "text": "Splendid."})
    assert client.get("/products/5/reviews").json[0]["text"] == "Splendid."


def test_signing_up_twice_is_an_internal_server_error(client: Any) -> None:
    """Nobody handles the database's error: what monitoring is for."""
    ann = {"name": "Ann", "email": "ann@example.com", "city": "Oslo"}
    assert client.post("/customers", json=ann).status_code == 201
    assert client.post("/customers", json=ann).status_code == 500


def test_the_search_pastes_its_value_into_the_statement(client: Any) -> None:
    """Quotes are doubled, so it is bad style and no hole."""
    answer = client.get("/customers/search", query_string={"email": "o'hara: @example.com"}).json
    assert "c.email = 'o''hara: @example.com'" in answer["statement"]
    assert answer["found"] == []


def test_writers_give_up_during_a_stock_take(client: Any) -> None:
    """The transaction holds the lock for longer than anybody waits."""
    stock_take = threading.Thread(
        target=client.application.test_client().post, args=("/stock-take",), kwargs={"json": {"seconds": 1.5}}
    )
    stock_take.start()
    codes = set()
    while stock_take.is_alive():
        codes.add(client.post("/products/5/reviews", json={"customer_id": 1, "stars": 4, "text": "?"}).status_code)
    assert 503 in codes
