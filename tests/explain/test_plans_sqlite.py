"""Plans of slow statements on SQLite, from a service under the launcher."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from explaining import Console
from launching import labels

SHOP = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INT, state TEXT);
CREATE INDEX orders_user_idx ON orders (user_id);
CREATE VIEW urgent AS SELECT * FROM orders WHERE state > 'canaryview';
"""


@pytest.fixture
def shop(tmp_path: Path) -> str:
    """The URL of a file with a shop in it."""
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.executescript(SHOP)
    return f"sqlite:///{tmp_path / 'shop.db'}"


def test_an_event_carries_the_plan_and_no_value(shop: str) -> None:
    """Of a literal, a bound value, a view's constant."""
    sql = "SELECT id FROM urgent WHERE user_id = ? AND state <> 'canarypasted' ORDER BY state LIMIT 3"
    with Console(shop) as console:
        said = console.plan("sqlalchemy", sql, (771199,), of="urgent")
    assert said["dbmon.query.plan"].splitlines() == [
        "SEARCH orders USING INDEX orders_user_idx (user_id=?)",
        "USE TEMP B-TREE FOR ORDER BY",
    ]
    assert "dbmon.query.plan.cost" not in said
    for value in (b"canaryview", b"canarypasted", b"771199"):
        assert value not in console.arrived.raw


def test_another_plan_is_a_finding(shop: str) -> None:
    """An index is dropped meanwhile."""
    with Console(shop) as console:
        console.plan("sqlalchemy", "SELECT id FROM orders WHERE user_id = 5", of="orders")
        with closing(sqlite3.connect(shop.removeprefix("sqlite:///"))) as connection:
            connection.execute("DROP INDEX orders_user_idx")
        time.sleep(1.1)
        console.send("sqlalchemy", "SELECT id FROM orders WHERE user_id = 6")
        (event,) = console.wait_for("orders", kind="plan_changed")
    change = labels(event)["dbmon.query.plan.change"]
    assert change == "was SEARCH orders USING COVERING INDEX orders_user_idx (user_id=?), now SCAN orders"


def test_the_application_may_hold_the_file(shop: str) -> None:
    """While it writes, its finding has no plan, or one that was read beside it; it is never kept waiting."""
    with Console(shop) as console:
        console.send("sqlalchemy", "BEGIN EXCLUSIVE")
        said = console.plan("sqlalchemy", "SELECT count(*) FROM orders")
        assert said["dbmon.query.plan.missing"] == "locked"
        assert console.send("sqlalchemy", "INSERT INTO orders (user_id) VALUES (1)") < 1
        assert console.send("sqlalchemy", "COMMIT") < 1


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///file:shop?mode=memory&uri=true"])
def test_memory_belongs_to_its_connection(url: str) -> None:
    """There is nothing that another one could ask."""
    with Console(url) as console:
        assert console.plan("sqlalchemy", "SELECT 5 AS five", of="five")["dbmon.query.plan.missing"] == "unsupported"


def test_a_file_that_is_gone_is_no_trouble(shop: str) -> None:
    """It is not made anew."""
    path = Path(shop.removeprefix("sqlite:///"))
    with Console(shop) as console:
        console.send("sqlalchemy", "PRAGMA user_version")
        path.unlink()
        said = console.plan("sqlalchemy", "SELECT count(*) FROM orders")
    assert said["dbmon.query.plan.missing"] in ("unreachable", "refused")
    assert not path.exists()
