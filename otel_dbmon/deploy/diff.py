"""Takes a change, gives it as the lines of a unified diff; of a secret, only that it changes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

from otel_dbmon.deploy.changes import Change

_NEW = "/dev/null"
#: What is assigned to such a name is nobody's business on a screen or in a log of CI.
_SECRET = re.compile(
    r"(?i)([A-Z0-9_]*(?:TOKEN|SECRET|PASSW|DSN|HEADERS|API_?KEY|CREDENTIAL|DATABASE_UR[IL])[A-Z0-9_]*[\"']?\s*[=:]\s*)\S.*"
)
#: A file that is nothing but assignments: lines of others are not shown at all.
_ENVIRONMENT = re.compile(r"(^|.*\.)env(rc|\.[a-z]+)?")


def unified(change: Change, root: Path) -> Iterator[str]:
    """The lines of one file's diff, without line feeds.

    Args:
        change: What is to become of the file.
        root: Names are relative to it where they can be.
    """
    name = seen_from(change.path, root)
    yield f"--- {_NEW if change.before is None else 'a/' + name}"
    yield f"+++ b/{name}"
    if change.is_secret:
        yield f"@@ a secret, {oct(change.mode)[2:]}: not shown @@"
        return
    if change.mode_before is not None and change.mode_before != change.mode_after:
        yield f"@@ permissions {change.mode_before:o} -> {change.mode_after:o} @@"
    before = (change.before or b"").decode("utf-8", "replace").splitlines(keepends=True)
    after = change.after.decode("utf-8", "replace").splitlines(keepends=True)
    context = 0 if _ENVIRONMENT.fullmatch(change.path.name) else 3
    for line in list(difflib.unified_diff(before, after, n=context))[2:]:
        yield _SECRET.sub(r"\1****", line.rstrip("\r\n"))
        if not line.endswith("\n"):
            yield "\\ No newline at end of file"


def seen_from(path: Path, root: Path) -> str:
    """A path as it is called from a folder, if it is below it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
