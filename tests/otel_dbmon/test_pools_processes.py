"""Pools in processes of their own: under the launcher, and forked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from launching import Launched, labels

UNUSED = dict.fromkeys(("active", "idle", "pending", "timeouts", "wait_time", "use_time"), 0)


def test_under_the_launcher_pools_are_measured() -> None:
    """Nothing has to be said or called; nobody but us listens to the pool."""
    with Launched("pools.py") as launched:
        report = json.loads(launched.output.readline())
    ((active,), (timeouts,)) = (
        launched.arrived.points(name) for name in ("database.connections.active", "database.connection.timeouts")
    )

    assert report == {"pool": ["connect", "recreate"], "listeners": [0, 1, 1], "psycopg_pool": True}
    assert labels(active) == {"service": "user-svc", "database": ":memory:", "pool": ":memory:"}
    assert timeouts.as_int == 1
    assert launched.arrived.points("db.client.connection.create_time")[0].count == 1


def test_switched_off_nothing_hangs_on_a_pool() -> None:
    """``OTEL_DBMON_POOLS=false`` leaves the pools to themselves, contrib's listeners included."""
    with Launched("pools.py", {"OTEL_DBMON_POOLS": "false"}) as launched:
        report = json.loads(launched.output.readline())

    assert report == {"pool": [], "listeners": [0, 0, 0], "psycopg_pool": False}
    assert not {name for name in launched.arrived.metric_names() if "connection" in name}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_starts_at_zero(tmp_path: Path) -> None:
    """Whatever the parent's threads were in the middle of; what the child uses then is its own."""
    command = [sys.executable, str(Path(__file__).with_name("pools_forking.py")), str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(command, check=True, capture_output=True, env=environment, timeout=120)
    told = json.loads(done.stdout)

    assert len(told["children"]) == 10
    for first, used in told["children"]:
        assert first == {**UNUSED, "max": 2}
        assert used == {**UNUSED, "max": 2, "active": 1, "wait_time": 1}
    assert told["parent"]["active"] >= 1
    assert told["parent"]["wait_time"] > 1
    assert told["failures"] == {}
