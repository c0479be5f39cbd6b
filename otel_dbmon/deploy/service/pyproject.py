"""Takes a pyproject.toml, gives it with our dependency in the list of the service's own; everything else stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomlkit
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from tomlkit.exceptions import TOMLKitError

from otel_dbmon.deploy.changes import change
from otel_dbmon.deploy.service.additions import Additions, Note
from otel_dbmon.deploy.service.requirements import asks_for, disagreement, same_name
from otel_dbmon.deploy.text_files import read_text

#: Lock -> how it is brought up to date.
_LOCKS = {"uv.lock": "uv lock", "poetry.lock": "poetry lock", "pdm.lock": "pdm lock", "pylock.toml": "your locker"}


def lists_dependencies(path: Path) -> bool:
    """Whether the file is where a service's dependencies are listed, and not only a tool's settings."""
    try:
        document: Any = tomlkit.parse(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, TOMLKitError):
        return False
    project = document.get("project", {})
    dynamic = "dependencies" in project.get("dynamic", [])
    return ("project" in document and not dynamic) or "dependencies" in document.get("tool", {}).get("poetry", {})


def add_dependency(path: Path, requirement: str) -> Additions:
    """The file with one more dependency, unless it names the distribution already."""
    file = read_text(path)
    assert file is not None
    wanted = Requirement(requirement)
    document: Any = tomlkit.parse(file.text)
    if "project" in document:
        present = _to_project(document["project"], wanted, requirement)
    else:
        present = _to_poetry(document["tool"]["poetry"]["dependencies"], wanted)
    changes = [] if present is not None else [change(path, file.encoded(tomlkit.dumps(document)))]
    notes = [] if present is None else disagreement(path, present, wanted)
    notes += [
        Note(path.with_name(name), f"it lacks {wanted.name}: {command}")
        for name, command in _LOCKS.items()
        if path.with_name(name).is_file() and wanted.name not in path.with_name(name).read_text(encoding="utf-8")
    ]
    return Additions(changes, notes, [asks_for(path, present or wanted)])


def _to_project(project: Any, wanted: Requirement, text: str) -> Requirement | None:
    """Add it to a list of requirements, or give the one that is there."""
    dependencies = project.setdefault("dependencies", tomlkit.array())
    for entry in dependencies:
        try:
            present = Requirement(str(entry))
        except InvalidRequirement:
            continue
        if same_name(present, wanted):
            return present
    dependencies.append(text)
    return None


def _to_poetry(dependencies: Any, wanted: Requirement) -> Requirement | None:
    """Add it to a table of constraints, or give the one that is there; what it allows is Poetry's to say."""
    if any(canonicalize_name(name) == canonicalize_name(wanted.name) for name in dependencies):
        return Requirement(wanted.name)
    dependencies.append(wanted.name, str(wanted.specifier))
    return None
