"""The end of a process: as quick as it must be where nobody answers, as patient as it may be where somebody does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from launching import Arrived
from servers import Served
from serving import Alive, Hole, Nobody

LIMIT_S = 3.0


def limit_s() -> float:
    """The limit, stretched by as much as this machine is overloaded with other things."""
    return LIMIT_S * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def seconds_to_end(name: str, folder: Path, collector: type) -> float:
    """How long a visited server takes from SIGTERM to its exit."""
    with Served(name, folder, collector=collector()) as served:
        served.visit()
        served.end()
    assert served.process.returncode == served.server.exit_status
    return served.seconds


@pytest.mark.parametrize(
    "name",
    ["gunicorn, sync", "gunicorn, gthread", "gunicorn, sync, preloaded", "uvicorn, 2 workers", "uvicorn, 1 process"],
)
def test_a_dead_collector_keeps_nobody_from_ending(name: str, tmp_path: Path) -> None:
    """SIGTERM to exit in under three seconds where connections are refused; the SDK alone takes up to twenty."""
    assert seconds_to_end(name, tmp_path, Nobody) < limit_s()


@pytest.mark.parametrize("name", ["gunicorn, sync", "gunicorn, sync, preloaded", "uvicorn, 1 process"])
def test_a_hanging_collector_keeps_nobody_from_ending(name: str, tmp_path: Path) -> None:
    """The same where connections are taken and nothing is ever answered, for a master after its workers as well."""
    assert seconds_to_end(name, tmp_path, Hole) < limit_s()


@pytest.mark.parametrize("name", ["gunicorn, sync", "uvicorn, 1 process"])
def test_a_slow_collector_loses_nothing(name: str, tmp_path: Path) -> None:
    """Each request takes it half a second; spans and metrics leave side by side."""
    arrived = Arrived()
    with Served(name, tmp_path, collector=Alive(arrived, delay_s=0.5)) as served:
        served.visit()
        served.end()
    served.arrived = arrived
    assert sorted((+served.counted()).values()) == sorted(served.sent.values())
    assert served.spans() == sum(served.sent.values())


def test_who_leaves_the_end_to_the_sdk_gets_the_sdk_s(tmp_path: Path) -> None:
    """``OTEL_DBMON_SHUTDOWN_TIMEOUT=0`` adds nothing to a process's end, which is uvicorn's own: nothing leaves."""
    with Served("uvicorn, 1 process", tmp_path, {"OTEL_DBMON_SHUTDOWN_TIMEOUT": "0"}) as served:
        served.visit()
        served.end()
    assert served.counted() == {}
