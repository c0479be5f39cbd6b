"""The locked versions: complete, with hashes, from no registry in particular, and in step with pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

tomllib = pytest.importorskip("tomllib", reason="Python 3.10 cannot read TOML")

ROOT = Path(__file__).parents[2]
#: Each lock, and the dependency group it is made from.
LOCKS = {"dev": "dev", "test": "test", "floor": "test", "vendor": "vendor"}
_PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)


def declared(lock: str) -> list[Requirement]:
    """What pyproject.toml asks for: the project, its extras, and the lock's group."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    texts = [*project["project"]["dependencies"], *(text for extra in extras for text in extra)]
    texts += _group(project["dependency-groups"], LOCKS[lock])
    return [Requirement(text) for text in texts if not text.startswith("otel-dbmon")]


def _group(groups: dict[str, list[Any]], name: str) -> list[str]:
    texts: list[str] = []
    for entry in groups[name]:
        texts += [entry] if isinstance(entry, str) else _group(groups, entry["include-group"])
    return texts


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_declared_is_locked(lock: str) -> None:
    """`make lock` was run after pyproject.toml was changed."""
    pins = dict(_PIN.findall((ROOT / "requirements" / f"{lock}.txt").read_text()))
    for requirement in declared(lock):
        version = pins.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not locked: run `make lock`"
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement} has another lock: `make lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_version_has_its_hashes_and_no_address(lock: str) -> None:
    """Any registry will do, and it is noticed if it serves something else."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    assert "://" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(entries) > 30
    assert all(_PIN.match(entry) and "--hash=sha256:" in entry for entry in entries)


def test_the_floor_is_the_oldest_that_pyproject_allows() -> None:
    """What is tested is what is promised."""
    pins = dict(_PIN.findall((ROOT / "requirements" / "floor.txt").read_text()))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in project["dependencies"]:
        requirement = Requirement(text)
        (bound,) = [clause.version for clause in requirement.specifier if clause.operator == ">="]
        assert pins[requirement.name].startswith(bound), requirement.name
