"""Each benchmark that needs no server still runs, and says what it measured; figures of so few rounds mean nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
#: What to measure less often, and a word of what is said.
SHORT = {
    "bench_aggregate": ({"CALLS": 100, "STATEMENTS": 2000}, "one SDK histogram"),
    "bench_detect": ({"ROUNDS": 4}, "a script that runs one query"),
    "bench_import": ({"ROUNDS": 2}, "our runtime"),
    "bench_pools": ({"CALLS": 20, "ROUNDS": 4}, "contrib's listeners"),
    "bench_processor": ({"ROUNDS": 4, "BLOCK": 4}, "product"),
    "bench_sentry": ({"ROUNDS": 4, "BLOCK": 4, "FINDINGS": 4}, "a finding"),
}


@pytest.mark.parametrize("name", SHORT)
def test_a_benchmark_runs(name: str) -> None:
    """In a process of its own, as `make bench` starts it."""
    constants, says = SHORT[name]
    changes = "".join(f"; bench.{constant} = {value}" for constant, value in constants.items())
    done = subprocess.run(
        [sys.executable, "-c", f"import {name} as bench{changes}; bench.main()"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH"))))},
    )
    assert done.returncode == 0, done.stderr
    assert says in done.stdout
