"""Takes the output folder and the kind of platform, gives the files of the stack that are to be there.

They are those of `collector-config`, unchanged: a stack is read where it was written, and a release brings new ones.
What a person edited in the output folder is kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from otel_dbmon.deploy.changes import PUBLIC, Change, change
from otel_dbmon.deploy.journal import Journal, digest
from otel_dbmon.deploy.problems import DeployError
from otel_dbmon.deploy.service.additions import Note

TARGETS = ("compose", "kubernetes")
_SUFFIXES = {".yaml", ".yml", ".json", ".tmpl", ".conf", ".sql", ".sh", ".md", ".dockerfile", ".env"}
#: Folders that are for building and generating, not for running.
_WORKSHOP = {"builder", "boards"}
_EXECUTABLE = 0o755


def find_templates() -> Path:
    """The stack's files: in a checkout where they are written, in an installed wheel as package data.

    Raises:
        DeployError: They are at neither place.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "collector-config", package.parent / "collector-config"):
        if folder.is_dir():
            return folder
    raise DeployError("the stack's files are not in this installation of otel-dbmon")


def plan_stack(output: Path, target: str, journal: Journal, overwrite: bool) -> tuple[list[Change], list[Note]]:
    """The files of a stack.

    Args:
        output: Where they go.
        target: One of ``TARGETS``.
        journal: Knows what was written there, and so what a person has edited since.
        overwrite: Whether such files lose their edits.
    """
    wanted = [
        change(output / name, content, _EXECUTABLE if name.endswith(".sh") else PUBLIC)
        for name, content in _files(find_templates(), target)
    ]
    if target == "compose":
        wanted.append(change(output / ".env", _compose_environment()))
    changes, notes = [], []
    for found in wanted:
        is_foreign = found.before is not None and journal.wrote(found.path) != digest(found.before)
        if found.is_needed and is_foreign and not overwrite:
            text = "not written by this command or edited since, so it stays (--overwrite replaces it)"
            notes.append(Note(found.path, text))
        else:
            changes.append(found)
    return changes, notes


def _files(templates: Path, target: str) -> Iterator[tuple[str, bytes]]:
    """Names in the output folder, and contents."""
    for path in sorted(templates.rglob("*")):
        name = path.relative_to(templates)
        if not path.is_file() or path.suffix not in _SUFFIXES or _WORKSHOP & set(name.parts):
            continue
        platform = name.parts[0]
        if platform not in TARGETS:
            yield name.as_posix(), path.read_bytes()
        elif platform == target:
            # What ties a platform's files together names all others, so it stands above them.
            is_top = target == "compose" or name.name == "kustomization.yaml"
            yield name.relative_to(platform).as_posix() if is_top else name.as_posix(), path.read_bytes()


def _compose_environment() -> str:
    # Files that only their owner may read are read in containers by the same user.
    user, group = (os.getuid(), os.getgid()) if hasattr(os, "getuid") else (1000, 1000)
    return f"# Read by Compose. Containers run as who owns the secrets.\nDBMON_UID={user}\nDBMON_GID={group}\n"
