"""gunicorn's workers, started as their page says."""

from __future__ import annotations

import re
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("flask")
pytest.importorskip("gunicorn")

from starting import Example

CANARY = "canary-4711"
READ, WRITTEN = 24, 6


def test_every_worker_counts_what_it_sent_and_serves_it(tmp_path: Path) -> None:
    """Each on an endpoint of its own, all in one sum; the master's statements stay the master's."""
    with Example("gunicorn", tmp_path) as example:
        example.wait_until_open("/nowhere")
        assert {example.visit("/", {"text": CANARY}) for _ in range(WRITTEN)} == {201}
        assert {example.visit("/") for _ in range(READ)} == {200}
        served = sum(_served(example.metrics_port + offset) for offset in range(8))
    assert example.services() == {"notes"}
    made = Counter({"PRAGMA": 2, "CREATE TABLE notes": 1})
    assert example.summaries() == made + Counter({"INSERT notes": WRITTEN, "SELECT notes": READ})
    assert served == example.counted() == example.summaries().total()
    assert CANARY.encode() not in example.arrived.raw
    assert CANARY not in example.text()


def _served(port: int) -> float:
    try:
        with urllib.request.urlopen(f"http://localhost:{port}/metrics", timeout=10) as response:
            counts = re.findall(r"^database_query_duration_seconds_count\{.*\} (.*)$", response.read().decode(), re.M)
    except OSError:
        return 0
    return sum(map(float, counts))
