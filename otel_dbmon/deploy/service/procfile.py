"""Takes a Procfile, gives it with the launcher before each process that is Python."""

from __future__ import annotations

import re
from pathlib import Path

from otel_dbmon.deploy.changes import change
from otel_dbmon.deploy.launcher import NotSafeError, is_launched, shell_insertion
from otel_dbmon.deploy.service.additions import Additions, Note
from otel_dbmon.deploy.text_files import read_text

NAMES = ("Procfile",)
_PROCESS = re.compile(r"^([A-Za-z0-9_-]+:[ \t]*)(\S.*?)(\s*)$", re.DOTALL)


def add_launcher(path: Path) -> Additions:
    """The file with the launcher in it."""
    file = read_text(path)
    assert file is not None
    additions = Additions()
    lines = [_launched(path, line, additions) for line in file.text.splitlines(keepends=True)]
    text = "".join(lines)
    if text != file.text:
        additions.changes.append(change(path, file.encoded(text)))
    if any(is_launched(line.split()) for line in lines):
        additions.facts.append(Note(path, "starts processes under opentelemetry-instrument"))
    return additions


def _launched(path: Path, line: str, additions: Additions) -> str:
    match = _PROCESS.match(line)
    if match is None or is_launched(match[2].split()):
        return line
    try:
        offset, launcher = shell_insertion(match[2])
    except NotSafeError as error:
        name = match[1].rstrip(": \t")
        additions.notes.append(Note(path, f'the process "{name}" is left alone: {error}'))
        return line
    return f"{match[1]}{match[2][:offset]}{launcher} {match[2][offset:]}{match[3]}"
