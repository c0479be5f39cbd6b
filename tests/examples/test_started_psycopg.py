"""Plain psycopg, started as its page says."""

from __future__ import annotations

import urllib.request
from collections import Counter
from pathlib import Path

from server import Server
from starting import Example, statements_of

ROUND = Counter({"UPDATE accounts": 2, "INSERT bookings": 1, "SELECT accounts": 1, "SELECT bookings": 10})
LOOP = 'row = connection.execute("SELECT count(*) FROM bookings WHERE account_id = %s", (account_id,)).fetchone()'


def test_rounds_are_counted_as_the_server_counts_them(postgres: Server, tmp_path: Path) -> None:
    """To the statement; the loop is found with its line, the refusal by its kind, and its row goes nowhere."""
    postgres.run("SELECT pg_stat_statements_reset()")
    with Example("psycopg", tmp_path, {"DATABASE_URL": postgres.url, "PAUSE": "0.7"}) as example:
        example.wait_for(lambda: any("round 3" in line for line in example.log), "three rounds")
        with urllib.request.urlopen(f"http://localhost:{example.metrics_port}/metrics", timeout=10) as response:
            metrics = response.read().decode()
        example.process.terminate()
        example.process.wait(20)
    rounds = sum(line.startswith("round ") for line in example.log)
    assert example.services() == {"bookings"}
    start = Counter({"CREATE TABLE accounts": 1, "CREATE TABLE bookings": 1, "SELECT accounts": 1, "COPY accounts": 1})
    for _ in range(rounds):
        start += ROUND
    assert example.summaries() == start
    # The server's statistics hold nothing of what it refused.
    assert example.counted() == example.summaries().total() == statements_of(postgres) + rounds
    assert ("bookings", LOOP) in example.places_of_n_plus_one()
    assert example.errors() == {"integrity": rounds}
    assert 'database_connections_max{database="postgres"' in metrics
    assert b"owner-3@example.com" not in example.arrived.raw
    assert "owner-3@example.com" not in metrics + example.text()
