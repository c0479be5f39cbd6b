"""Takes a command that cannot be run here, and checks what can be: each function raises if the command is wrong."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from reading import ROOT


def options(command: str, folder: Path) -> None:
    """Every option of a command of ours is one that its ``--help`` knows."""
    words = _words(command)
    assert words[0] == "otel-dbmon", command
    done = subprocess.run(
        [sys.executable, "-m", "otel_dbmon", words[1], "--help"], capture_output=True, text=True, check=True
    )
    known = set(re.findall(r"--[a-z][a-z-]+", done.stdout))
    assert {word.split("=")[0] for word in words[2:] if word.startswith("--")} <= known, command


def known_options(command: str, folder: Path) -> None:
    """Every long option of another's command is one that its ``--help`` knows."""
    words = _words(command)
    helped = subprocess.run(
        [words[0], "--help", *(["all"] if words[0] == "curl" else [])], capture_output=True, text=True, check=False
    )
    known = set(re.findall(r"--[a-z][a-z.-]+", helped.stdout + helped.stderr))
    assert {word.split("=")[0] for word in words[1:] if word.startswith("--")} <= known, command


def installable(command: str, folder: Path) -> None:
    """What is asked for is installed here: from the lock or, of ours, as the wheel or the checkout."""
    words = _words(command)[2:]
    if words[0] == "-r":
        words = (folder / words[1]).read_text().splitlines()
    for requirement in map(Requirement, words):
        distribution = metadata.distribution(requirement.name)
        assert requirement.specifier.contains(distribution.version, prereleases=True), requirement
        extras = {name.lower() for name in distribution.metadata.get_all("Provides-Extra", [])}
        assert requirement.extras <= extras, requirement


def target(command: str, folder: Path) -> None:
    """The Makefile has it."""
    assert re.search(rf"^{re.escape(_words(command)[1])}:", (ROOT / "Makefile").read_text(), re.MULTILINE), command


def compose(command: str, folder: Path) -> None:
    """The project is there, with services that have an image or are built."""
    words = _words(command)
    project = folder / words[words.index("--project-directory") + 1]
    services = yaml.safe_load((project / "compose.yaml").read_text())["services"]
    assert services
    assert all({"image", "build", "extends"} & service.keys() for service in services.values())


def files(command: str, folder: Path) -> None:
    """Every file of ours that it names exists."""
    names = re.findall(r"[\w./-]+\.(?:yaml|yml|py)\b", command)
    found = {path.name for path in (ROOT / "collector-config").rglob("*")}
    assert names
    assert {Path(name).name for name in names} <= found, command


def path(command: str, folder: Path) -> None:
    """Each of its words that is a path leads somewhere in the checkout."""
    words = [word for word in _words(command) if "/" in word and not word.startswith(".venv")]
    assert words
    assert all((ROOT / word).exists() for word in words), command


def nothing(command: str, folder: Path) -> None:
    """There is nothing else that could be checked."""


def _words(command: str) -> list[str]:
    words = shlex.split(command, comments=True)
    return words[next(number for number, word in enumerate(words) if "=" not in word) :]
