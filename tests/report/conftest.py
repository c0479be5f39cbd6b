"""Lets these tests use what the others start, and starts the one Prometheus that most of them ask."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "otel_dbmon"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from filling import two_days
from prometheus_server import backfill, running

from otel_dbmon.querying.client import Client
from otel_dbmon.querying.prometheus import Prometheus


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that knows what `filling.two_days` says."""
    folder = tmp_path_factory.mktemp("report-prometheus")
    # One block in place of one for each two hours, of four weeks: a minute less.
    backfill(two_days(), folder, "--max-block-duration=720h")
    with running(folder, "--storage.tsdb.retention.time=100y") as url:
        yield url


@pytest.fixture(scope="session")
def prometheus(filled: str) -> Iterator[Prometheus]:
    """That Prometheus, to be asked."""
    with Client(timeout_s=60) as client:
        yield Prometheus(filled, client)
