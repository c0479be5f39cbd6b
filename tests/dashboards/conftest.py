"""Lets these tests use what the launcher's tests use, and starts the one Prometheus that all queries are put to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "otel_dbmon"))
sys.path.insert(0, str(Path(__file__).parents[2] / "semconv"))

from fleet import Fleet


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Services that have worked for a while, seen by a real Prometheus."""
    with Fleet(tmp_path_factory.mktemp("fleet")) as fleet:
        yield fleet
