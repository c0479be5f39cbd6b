"""The shop, started as its page says."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("flask")

from starting import Example

CANARY = "canary-4711@example.com"


def test_what_its_pages_send_is_counted_and_its_loops_are_found(tmp_path: Path) -> None:
    """The eager twin sends two statements; the other page is found by three lines; a search's value goes nowhere."""
    with Example("shop", tmp_path) as example:
        example.wait_until_open("/health")
        assert example.visit("/orders") == 200
        assert example.visit("/orders/eager") == 200
        assert example.visit(f"/customers/search?email={CANARY}") == 200
    requests = example.requests()
    assert example.services() == {"shop"}
    assert requests.keys() == {"GET /orders", "GET /orders/eager", "GET /customers/search"}
    assert (requests["GET /orders/eager"], requests["GET /customers/search"]) == (2, 1)
    assert {table for table, _ in example.places_of_n_plus_one()} == {"customers", "order_items", "products"}
    assert example.counted() == example.summaries().total()
    assert CANARY.encode() not in example.arrived.raw
