"""What a look at a service's files gives: changes, and what was left to a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from otel_dbmon.deploy.changes import Change


@dataclass(frozen=True)
class Note:
    """A sentence about a file.

    Attributes:
        place: The file it is about, or the service's folder.
        text: What holds of it, or what was left alone, why, and what to do.
    """

    place: Path
    text: str


@dataclass
class Additions:
    """What one look found; several are put together.

    Attributes:
        changes: Files that are to hold something more.
        notes: What was left alone.
        facts: What holds once the changes are made, whether or not it held before.
    """

    changes: list[Change] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    facts: list[Note] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether the purpose of the look is served: by a change, or because it was so already."""
        return bool(self.facts)
