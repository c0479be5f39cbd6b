"""Makes folders of services for the tests of deploy, and looks at them again."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

#: What is at a path: its permissions, and its content if it is a file.
Tree = dict[str, tuple[int, bytes | None]]


def make(root: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files below a folder."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def tree(root: Path) -> Tree:
    """Every file and folder below a folder, to the byte."""
    return {
        path.relative_to(root).as_posix(): (
            stat.S_IMODE(path.lstat().st_mode),
            path.read_bytes() if path.is_file() else None,
        )
        for path in sorted(root.rglob("*"))
    }
