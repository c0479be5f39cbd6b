"""Writes a file so that at every moment it holds either the old or the new content, on disk, with its permissions."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

_OPEN_FOLDER = 0o755
_CLOSED_FOLDER = 0o700


def write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file, or make it; its folder is made if need be, closed to others if the file is private.

    Nobody else can read the new content before its permissions are set: it is made with them.
    """
    make_folder(path.parent, _OPEN_FOLDER if mode & 0o077 else _CLOSED_FOLDER)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.chmod(temporary, mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def make_folder(folder: Path, mode: int) -> None:
    """Make a folder and those above it; one that is there stays as it is."""
    if folder.is_dir():
        return
    make_folder(folder.parent, _OPEN_FOLDER)
    folder.mkdir(exist_ok=True)
    folder.chmod(mode)


def sync_folder(folder: Path) -> None:
    """Let a new name in a folder survive a crash, where the system can promise that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
