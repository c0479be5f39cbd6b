"""Takes a requirements file, gives it with our line at its end; lines that are there stay as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from otel_dbmon.deploy.changes import change
from otel_dbmon.deploy.service.additions import Additions, Note
from otel_dbmon.deploy.text_files import read_text

#: Where a service keeps what it needs to run, in the order of preference.
NAMES = (
    "requirements.txt",
    "requirements/production.txt",
    "requirements/prod.txt",
    "requirements/base.txt",
    "requirements/requirements.txt",
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_INCLUDED = re.compile(r"^\s*(?:-r|--requirement)[\s=]\s*(\S+)", re.MULTILINE)


def add_requirement(path: Path, requirement: str) -> Additions:
    """The file with one more line, unless it or a file that it includes names the distribution already."""
    file = read_text(path)
    assert file is not None
    wanted = Requirement(requirement)
    present = next((found for found in _requirements(path) if same_name(found, wanted)), None)
    if present is not None:
        return Additions(notes=disagreement(path, present, wanted), facts=[asks_for(path, present)])
    source = path.with_suffix(".in")
    if path.suffix != ".in" and source.is_file():
        below = add_requirement(source, requirement)
        compiled = f"compiled from {source.name}: compile it again, it lacks {wanted.name} until then"
        return Additions(below.changes, [*below.notes, Note(path, compiled)], below.facts)
    if "--hash=" in file.text:
        text = f"locked with hashes, so nothing is added; add {requirement} to what it is made from, and lock again"
        return Additions(notes=[Note(path, text)])
    return Additions([change(path, file.with_lines([requirement]))], facts=[asks_for(path, wanted)])


def same_name(one: Requirement, other: Requirement) -> bool:
    """Whether both name one distribution."""
    return canonicalize_name(one.name) == canonicalize_name(other.name)


def asks_for(path: Path, requirement: Requirement) -> Note:
    """That a file asks for a distribution."""
    return Note(path, f"asks for {requirement}")


def disagreement(path: Path, present: Requirement, wanted: Requirement) -> list[Note]:
    """What to say of a requirement that is there: nothing, unless it rules out the version that is wanted."""
    versions = [clause.version for clause in wanted.specifier if clause.operator in (">=", "==")]
    if all(present.specifier.contains(version, prereleases=True) for version in versions):
        return []
    return [Note(path, f"{present} is there and stays; this deployment is made for {wanted}")]


def _requirements(path: Path, above: tuple[Path, ...] = ()) -> Iterator[Requirement]:
    file = read_text(path)
    if file is None or path in above:
        return
    joined = re.sub(r"\\\r?\n", " ", file.text)
    for line in joined.splitlines():
        text = re.split(r"\s#|^#|\s--", line.strip(), maxsplit=1)[0].strip()
        if not text or text.startswith("-"):
            continue
        try:
            yield Requirement(text)
        except InvalidRequirement:
            # A path or an address; only its name matters.
            name = re.search(r"#egg=([A-Za-z0-9._-]+)", line)
            if name:
                yield Requirement(name[1])
    for included in _INCLUDED.findall(joined):
        yield from _requirements(path.parent / included, (*above, path))
