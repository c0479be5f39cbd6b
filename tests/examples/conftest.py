"""Lets these tests use what the tests of the launcher, of processes and of PostgreSQL use."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "otel_dbmon"))
sys.path.insert(0, str(Path(__file__).parents[1] / "postgres"))

from cluster import PostgreSQL, private
from server import Server


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    """A private PostgreSQL that says what it executed."""
    with private(PostgreSQL) as own:
        server = Server(own.url)
        yield server
        server.close()
