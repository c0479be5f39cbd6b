"""A Sentry that receives, a relay that judges, and a PostgreSQL to have trouble with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "otel_dbmon"))
sys.path.insert(0, str(Path(__file__).parents[1] / "postgres"))
sys.path.insert(0, str(Path(__file__).parents[1] / "explain"))

from cluster import PostgreSQL
from programs import UnavailableError, give_up
from receiver import Spotlight


@pytest.fixture(scope="session")
def running_spotlight() -> Iterator[Spotlight]:
    """One Spotlight for all tests here."""
    receiver = Spotlight()
    try:
        receiver.__enter__()
    except UnavailableError as reason:
        give_up(reason)
    yield receiver
    receiver.__exit__()


@pytest.fixture
def spotlight(running_spotlight: Spotlight) -> Spotlight:
    """The same, with nothing in it."""
    running_spotlight.clear()
    return running_spotlight


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """The URL of a PostgreSQL that lives as long as the tests."""
    server = PostgreSQL()
    try:
        server.__enter__()
    except UnavailableError as reason:
        give_up(reason)
    yield server.url
    server.__exit__()


@pytest.fixture(scope="session")
def judge() -> Any:
    """What Sentry's server does with an event: ``judge(event)`` gives it back as it would be stored."""
    from sentry_relay.processing import StoreNormalizer

    normalizer = StoreNormalizer(project_id=1)
    return normalizer.normalize_event
