"""Takes values and times; answers how PromQL writes them, and back."""

from __future__ import annotations

import re

_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_TIME = re.compile(f"(?:{_PART.pattern})+")


def quoted(value: str) -> str:
    """A string, with its quotes."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def literal(text: str) -> str:
    """A regular expression of RE2 that matches this text only."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)


def duration(seconds: int) -> str:
    """A length of time, in the largest unit that fits."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def seconds_in(text: str) -> float:
    """The seconds in a length of time: ``90s``, ``1d``, ``1h30m``.

    Raises:
        ValueError: It is none.
    """
    if _TIME.fullmatch(text) is None:
        raise ValueError("no time as PromQL writes it")
    return sum(int(number) * _UNITS_S[unit] for number, unit in _PART.findall(text))
