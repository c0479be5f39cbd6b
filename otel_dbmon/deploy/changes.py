"""A change of one file, planned in memory: what it holds now, what it is to hold, and who may read it then."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

PRIVATE, PUBLIC = 0o600, 0o644


@dataclass(frozen=True)
class Change:
    """What a file is to become.

    Attributes:
        path: The file; absolute.
        after: What it is to hold.
        mode: Its permissions, if it is new; those of a file that is there stay, unless they are too wide for a secret.
        before: What it holds now, or None if it is not there.
        mode_before: Its permissions now.
    """

    path: Path
    after: bytes
    mode: int
    before: bytes | None
    mode_before: int | None

    @property
    def is_needed(self) -> bool:
        """Whether the file differs from what it is to be."""
        return self.after != self.before or self.mode_after != self.mode_before

    @property
    def is_secret(self) -> bool:
        """Whether nobody but the owner may read it: it is never shown either."""
        return self.mode == PRIVATE

    @property
    def mode_after(self) -> int:
        """The permissions that it is to have."""
        return self.mode if self.mode_before is None or self.is_secret else self.mode_before


def change(path: Path, after: bytes | str, mode: int = PUBLIC) -> Change:
    """The change that makes a file hold this.

    Args:
        path: The file.
        after: What it is to hold.
        mode: The permissions of a new file; with ``PRIVATE`` those of one that is there, too.
    """
    # A link stays one: what it leads to is changed.
    path = path.resolve()
    content = after.encode() if isinstance(after, str) else after
    if not path.exists():
        return Change(path, content, mode, None, None)
    return Change(path, content, mode, path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
