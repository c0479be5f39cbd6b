"""Writes dashboards/*.json from boards; ``--check`` only says whether they are up to date."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from boards import capacity, performance, service, telemetry
from boards.dashboard import Dashboard

FOLDER = Path(__file__).parent / "dashboards"


def dashboards() -> Iterator[Dashboard]:
    """All pages."""
    for page in (performance, service, capacity, telemetry):
        yield page.dashboard()


def main(arguments: list[str]) -> int:
    """Write the files, or with ``--check`` compare them.

    Returns:
        0, or 1 if a file is not what it would be.
    """
    wanted = {f"{dashboard.uid.removeprefix('dbmon-')}.json": dashboard.text() for dashboard in dashboards()}
    present = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    stale = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
    if "--check" in arguments:
        for name in stale:
            print(f"{FOLDER / name} is not up to date: run make docs", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        path = FOLDER / name
        path.write_text(wanted[name], encoding="utf-8") if name in wanted else path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
