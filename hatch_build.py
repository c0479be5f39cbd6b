"""Puts files that live outside the packages into the wheel as package data; an editable install finds them in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: Folder in the repository -> folder in the wheel.
DATA = {"collector-config": "otel_dbmon/collector-config", "examples/shop": "otel_dbmon/examples/shop"}
#: Only what people wrote: never a database or a cache that a run left behind.
SUFFIXES = {
    "collector-config": {".conf", ".dockerfile", ".env", ".json", ".md", ".sh", ".sql", ".tmpl", ".yaml", ".yml"},
    "examples/shop": {".html", ".md", ".py", ".txt"},
}


class PackageData(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling for each wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files, except to an editable wheel, which would get stale copies of them."""
        if version == "editable":
            return
        for source, target in DATA.items():
            folder = Path(self.root, source)
            for path in sorted(folder.rglob("*")):
                if path.is_file() and path.suffix in SUFFIXES[source]:
                    build_data["force_include"][str(path)] = f"{target}/{path.relative_to(folder).as_posix()}"
