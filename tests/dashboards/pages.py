"""Reads the dashboards as Grafana would, and gives their panels and queries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

GRAFANA = Path(__file__).resolve().parents[2] / "collector-config" / "grafana"
FOLDER = GRAFANA / "dashboards"
_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::\w+)?\}")


class Target(NamedTuple):
    """One query.

    Attributes:
        page: The dashboard's uid.
        title: Of its panel.
        panel: Its panel.
        data: Everything that is said of it.
    """

    page: str
    title: str
    panel: dict[str, Any]
    data: dict[str, Any]

    @property
    def expr(self) -> str:
        """PromQL, with Grafana's variables."""
        return str(self.data["expr"])

    def __str__(self) -> str:
        return f"{self.page}, {self.title}, {self.data['refId']}"


@cache
def pages() -> Mapping[str, dict[str, Any]]:
    """Every dashboard by its uid."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]
    return {page["uid"]: page for page in found}


def panels(page: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A dashboard's panels without its headings."""
    return (panel for panel in page["panels"] if panel["type"] != "row")


@cache
def targets() -> tuple[Target, ...]:
    """Every query of every panel."""
    return tuple(
        Target(uid, panel["title"], panel, data)
        for uid, page in pages().items()
        for panel in panels(page)
        for data in panel["targets"]
    )


def filled_in(expr: str, values: Mapping[str, str]) -> str:
    """PromQL as Grafana sends it: with all variables replaced, the longest names first.

    Raises:
        KeyError: A variable has no value.
    """

    def value(match: re.Match[str]) -> str:
        return values[f"${match.group(1) or match.group(2)}"]

    return _VARIABLE.sub(value, expr)


def all_chosen(page: Mapping[str, Any]) -> dict[str, str]:
    """What a dashboard's variables stand for while All is chosen."""
    return {f"${found['name']}": found.get("allValue", ".*") for found in page["templating"]["list"]}
