"""Takes the name of a server's or tool's program, finds it on this machine, or says why a test can't have it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


class UnavailableError(Exception):
    """Why there is nothing to test on, in words for the person who runs the tests."""


def find(program: str, *folders: str) -> Path:
    """A program: on PATH, or in the newest of the folders where distributions hide it.

    Raises:
        UnavailableError: It is nowhere.
    """
    hidden = sorted((path for folder in folders for path in Path("/").glob(folder)), reverse=True)
    on_path = shutil.which(program)
    for path in [*([Path(on_path)] if on_path else []), *(folder / program for folder in hidden)]:
        if path.exists():
            return path
    raise UnavailableError(f"no {program} on this machine; tests/install.sh installs it")


def need(*names: str) -> Path:
    """The first of these programs that is there (distributions rename some); a test that can't have it ends here."""
    found = next(filter(None, map(shutil.which, names)), None)
    return Path(found or give_up(UnavailableError(f"no {names[0]} on this machine; tests/install.sh installs it")))


def give_up(reason: UnavailableError) -> NoReturn:
    """Skip the test, out loud; fail where ``CI`` is set, since the project's own files install what tests need."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(str(reason))
    pytest.skip(str(reason))
