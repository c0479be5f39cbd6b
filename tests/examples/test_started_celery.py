"""Celery's worker, started as its page says."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("celery")

from starting import Example

TILLS = 8


def test_every_task_is_counted_once(tmp_path: Path) -> None:
    """Ten statements a task, the batch being one; the loop is found with its line; the clerks' names go nowhere."""
    with Example("celery", tmp_path, {"EVERY": "0.3"}) as example:
        till = example.folder / "queue" / "till.db"
        example.wait_for(lambda: _tallies(till) >= 4, "four tasks")
    tasks = _tallies(till)
    sent = Counter({"SELECT tills": tasks, "SELECT tallies": TILLS * tasks, "INSERT tallies": tasks})
    made = Counter(
        {"PRAGMA": 4, "CREATE TABLE tills": 1, "CREATE TABLE tallies": 1, "CREATE INDEX ix_tallies_till_id": 1}
    )
    filled = Counter({"SELECT tills": 1, "INSERT tills": TILLS})
    assert example.summaries() == sent + made + filled
    assert example.services() == {"tills"}
    assert example.counted() == example.summaries().total()
    assert example.requests() == {"run/app.tally": TILLS + 2}
    ((table, line),) = example.places_of_n_plus_one()
    assert table == "tallies"
    assert line.startswith("counted = {till.id: session.scalar(")
    assert b"clerk-" not in example.arrived.raw
    assert "clerk-" not in example.text()


def _tallies(till: Path) -> int:
    """How many tasks have noted what they found."""
    if not till.exists():
        return 0
    with closing(sqlite3.connect(till)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM tallies").fetchone()[0]) // TILLS
        except sqlite3.OperationalError:
            return 0
