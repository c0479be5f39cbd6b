"""Children made in every way Python knows, at good moments and at bad ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from launching import Arrived
from serving import APPS, PATIENCE_S, Alive, Program, points_by_instance

#: What each process of a way sends, in the order of size.
WAYS = {
    "fork": [3, 5],
    "forked again": [3, 4, 5],
    "multiprocessing fork": [2, 3, 5],
    "multiprocessing spawn": [2, 3, 5],
    "multiprocessing forkserver": [2, 3, 5],
    "exec": [3, 5],
    "no exec": [9],
}


def run(script: str, way: str, folder: Path, environment: dict[str, str] | None = None, delay_s: float = 0) -> Program:
    """Run a script to its end."""
    arrived = Arrived()
    place = {"DATABASE_URL": f"sqlite:///{folder}/shop.db", **(environment or {})}
    command = [sys.executable, str(APPS / script), way]
    with Program(command, place, collector=Alive(arrived, delay_s)) as program:
        program.process.wait(PATIENCE_S)
    program.arrived = arrived
    return program


@pytest.mark.parametrize("way", WAYS)
def test_every_process_counts_its_own_statements_once(way: str, tmp_path: Path) -> None:
    """The children what they sent, the parent what it sent, each under its own identity, none twice, none lost."""
    program = run("forks.py", way, tmp_path)
    said = [json.loads(line)["sent"] for line in program.log if line.startswith("{")]
    assert sorted(said) == WAYS[way], program.text()
    assert sorted((+program.counted()).values()) == WAYS[way]
    assert program.spans() == sum(WAYS[way])
    assert "Traceback" not in program.text()
    if way == "multiprocessing spawn":
        # Its resource tracker inherits the launcher, but is no service: it would take a port and report itself.
        assert len(points_by_instance(program.arrived, "process.cpu.time")) == 3


@pytest.mark.parametrize(("moment", "delay_s"), [("exporting", 0.6), ("collecting", 0.0), ("connected", 0.0)])
def test_a_child_made_at_a_bad_moment_is_not_silent(moment: str, delay_s: float, tmp_path: Path) -> None:
    """Nobody waits for a lock that no thread will release, and requests of parent and children do not get mixed."""
    often = {"OTEL_BSP_SCHEDULE_DELAY": "20", "OTEL_METRIC_EXPORT_INTERVAL": "100" if delay_s == 0 else "60000"}
    program = run("locked.py", moment, tmp_path, often, delay_s)
    assert sorted((+program.counted()).values()) == [200, 200, 200, 205], program.text()
    assert program.spans() == 805
    assert "Bad Request" not in program.text()
