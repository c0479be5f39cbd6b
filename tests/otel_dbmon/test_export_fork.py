"""Metrics in a forked child, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def forking(*arguments: str) -> Any:
    """What a scenario of forking.py prints."""
    command = [sys.executable, str(Path(__file__).with_name("forking.py")), *arguments]
    # Coverage has locks of its own, which a child forked in the middle of everything would wait for in vain.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    return json.loads(subprocess.run(command, check=True, capture_output=True, env=environment, timeout=120).stdout)


def test_a_child_repeats_nothing_of_its_parent() -> None:
    """Its streams are its own, cumulative and delta; the parent goes on as if nothing had happened."""
    told = forking("metrics")
    nothing, of_child = told["child"]
    born = told["before"][0][0][1]

    assert nothing == [[], []]
    assert [[count for count, _ in points] for points in of_child] == [[1], [1]]
    assert all(start > born for points in of_child for _, start in points)
    assert [[count for count, _ in points] for points in told["before"]] == [[1], [1]]
    assert [[count for count, _ in points] for points in told["after"]] == [[2], [1]]


def test_a_child_forked_in_the_middle_of_everything_can_go_on() -> None:
    """Locks that other threads held at the fork are renewed."""
    assert forking("busy") == [True] * 20
