"""Takes the rule files of collector-config, gives their rules and how these hang together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "collector-config" / "prometheus" / "rules"
#: promtool's tests, a file for each alert.
CASES = Path(__file__).with_name("rules")
RUNBOOKS = ROOT / "docs" / "runbooks"


@dataclass(frozen=True)
class Rule:
    """One rule: an alert, or a series that is recorded for alerts.

    Attributes:
        file: The file it stands in.
        place: Its group's and its own position there.
        name: What it is called.
        data: Everything that is said of it.
    """

    file: Path
    place: tuple[int, int]
    name: str
    data: dict[str, Any]

    @property
    def is_alert(self) -> bool:
        """Whether it is an alert."""
        return "alert" in self.data

    @property
    def expr(self) -> str:
        """What it asks for."""
        return str(self.data["expr"])


@cache
def load(file: Path) -> Any:
    """The content of one rule file."""
    return yaml.safe_load(file.read_text(encoding="utf-8"))


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule, in the order of the files."""
    return tuple(
        Rule(file, (number, position), rule.get("alert") or rule["record"], rule)
        for file in sorted(RULES.glob("*.yml"))
        for number, group in enumerate(load(file)["groups"])
        for position, rule in enumerate(group["rules"])
    )


@cache
def alerts() -> tuple[Rule, ...]:
    """The alerts among them."""
    return tuple(rule for rule in rules() if rule.is_alert)


def alerts_on(rule: Rule) -> list[Rule]:
    """The alerts that a change of this rule can change: itself, or those that look at what it records."""
    return [alert for alert in alerts() if alert == rule or rule.name in alert.expr]
