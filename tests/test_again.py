"""What fails once and what fails twice, as `make test` tells of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("again.py")
UNSTEADY = """
import pathlib
def test_it():
    seen = pathlib.Path(__file__).with_suffix(".seen")
    was_seen = seen.exists()
    seen.touch()
    assert was_seen
"""
WRONG = "def test_it():\n    assert False\n"


@pytest.mark.parametrize(
    ("sources", "status", "says"),
    [
        (["def test_it(): pass"], 0, None),
        (["def test_it(): pass", UNSTEADY], 0, "Failed beside others, and not alone"),
        ([UNSTEADY, WRONG], 1, "Once more, alone"),
        ([UNSTEADY] * 4, 1, None),
    ],
    ids=["all is well", "unsteady", "wrong", "too many"],
)
def test_a_failure_is_looked_at_twice(tmp_path: Path, sources: list[str], status: int, says: str | None) -> None:
    """What fails alone as well is a failure; what does not is named; many are not asked again."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    for number, source in enumerate(sources):
        (tmp_path / f"test_{number}.py").write_text(source)
    command = [sys.executable, str(SCRIPT), str(tmp_path), "-p", "no:randomly", "-n", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == status, done.stdout
    told = [line.removeprefix("==> ").rstrip(":") for line in done.stdout.splitlines() if line.startswith("==> ")]
    assert told[-1:] == ([says] if says else [])
