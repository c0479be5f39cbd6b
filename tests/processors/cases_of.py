"""Reads the cases of a theme: every YAML file in ``cases/<theme>`` is a list of statements and what is expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import yaml

_CASES = Path(__file__).with_name("cases")


class Case(NamedTuple):
    """One statement and what is expected of it."""

    source: str
    sql: str
    dialect: str
    expected: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.source}-{self.dialect or 'unknown'}-{self.sql[:40]}"


def lists_in(theme: str) -> list[tuple[str, Any]]:
    """Every entry of every file of a theme, with the name of its file."""
    files = sorted((_CASES / theme).glob("*.yaml"))
    return [(file.stem, entry) for file in files for entry in yaml.safe_load(file.read_text(encoding="utf-8"))]


def cases_in(theme: str) -> list[Case]:
    """The cases of a theme."""
    return [Case(source, entry.pop("sql"), entry.pop("dialect", ""), entry) for source, entry in lists_in(theme)]
