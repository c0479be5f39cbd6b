"""Runs pytest with the arguments it is given; where a few tests failed, runs these once more with nothing beside them.

Thousands of tests share two cores with databases, browsers and whole services, and some wait for what others hold up.
A mistake fails twice. What does not is named at the end all the same, for it should be looked at.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

#: More than so many are no coincidence.
MOST = 3


def main(arguments: list[str]) -> int:
    """The exit status of pytest, the second one if there was a second run."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "pytest", *arguments, "-o", f"cache_dir={cache}"]
        status = subprocess.run(command, check=False).returncode
        failed = _failed(Path(cache))
        if status != pytest.ExitCode.TESTS_FAILED or not 0 < len(failed) <= MOST:
            return status
        _say("Once more, alone", failed)
        alone = ["--last-failed", "--no-cov", "-n", "0"]
        status = subprocess.run([*command, *alone], check=False).returncode
        if status == pytest.ExitCode.OK:
            _say("Failed beside others, and not alone", failed)
        return status


def _failed(cache: Path) -> list[str]:
    try:
        found: dict[str, bool] = json.loads((cache / "v" / "cache" / "lastfailed").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return sorted(found)


def _say(what: str, tests: list[str]) -> None:
    sys.stdout.write("\n".join([f"==> {what}:", *(f"      {test}" for test in tests), ""]))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
