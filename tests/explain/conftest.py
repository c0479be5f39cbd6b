"""One PostgreSQL for all tests here, with a shop that holds values nobody else may see."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "otel_dbmon"))
sys.path.insert(0, str(Path(__file__).parents[1] / "postgres"))
sys.path.insert(0, str(Path(__file__).parents[1] / "processors"))

from cluster import PostgreSQL, private
from server import Server

SHOP = """
CREATE TABLE users AS SELECT id, 'canaryuser' || id AS email, id % 7 AS city FROM generate_series(1, 2000) AS id;
CREATE TABLE orders AS
    SELECT id, id % 2000 AS user_id, CASE WHEN id % 50 = 0 THEN 'canaryopen' ELSE 'done' END AS status
    FROM generate_series(1, 20000) AS id;
CREATE INDEX orders_user_idx ON orders (user_id);
CREATE INDEX orders_open_idx ON orders (id) WHERE status = 'canaryopen';
CREATE VIEW open_orders AS SELECT * FROM orders WHERE status = 'canaryopen' AND id > 1234567;
CREATE FUNCTION canary_rate() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 424242';
CREATE ROLE one LOGIN CONNECTION LIMIT 1;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO one;
ANALYZE;
"""


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server of these tests alone."""
    with private(PostgreSQL) as own:
        found = Server(own.url)
        found.run(SHOP)
        yield found
        found.close()
