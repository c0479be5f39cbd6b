"""Prints what is installed in an interpreter, as JSON; run by that interpreter, so it needs nothing but Python."""

from __future__ import annotations

import json
import sys
from importlib.metadata import distributions, entry_points

GROUPS = (
    "opentelemetry_distro",
    "opentelemetry_configurator",
    "opentelemetry_traces_exporter",
    "opentelemetry_metrics_exporter",
    "opentelemetry_instrumentor",
)


def main() -> None:
    """Print distributions with their requirements, and the names in each group of entry points."""
    found: dict[str, object] = {}
    for distribution in distributions():
        name = distribution.metadata["Name"]
        if name:
            # The first on the path is the one that is imported.
            found.setdefault(
                name.lower().replace("_", "-").replace(".", "-"),
                {"version": distribution.version, "requires": distribution.requires or []},
            )
    groups = {
        group: [
            {"name": point.name, "distribution": point.dist.metadata["Name"] if point.dist else ""}
            for point in entry_points(group=group)
        ]
        for group in GROUPS
    }
    python = ".".join(map(str, sys.version_info[:3]))
    sys.stdout.write(json.dumps({"python": python, "distributions": found, "groups": groups}))


if __name__ == "__main__":
    main()
