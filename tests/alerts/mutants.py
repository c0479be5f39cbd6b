"""Takes a rule, gives every rule that is wrong in one place: a number, an operator, a window, a label, a duration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rulebook import Rule

_TOKEN = re.compile(
    r"""(?P<text>"[^"]*")
      | (?P<constant>vector\(1\)|histogram_quantile|rate(?=\(\w+_bucket\b))
      | (?P<window>\[\d+[smh]\])
      | (?P<by>\bby\s*\([^)]*\))
      | (?P<word>[A-Za-z_:][\w:]*)
      | (?P<number>\d+(?:\.\d+)?)
      | (?P<operator>[=!]~|[=!<>]=|[-+*/<>=])""",
    re.VERBOSE,
)
#: What is the same either way, such as the unit of what a quantile is taken of, is a constant.
_SECONDS = {"s": 1, "m": 60, "h": 3600}
#: What stands for what: never an equal, always something that somebody might write.
_OTHERS = {
    ">": (">=", "<"),
    ">=": (">", "<"),
    "==": ("!=", ">"),
    "=": ("!=",),
    "=~": ("!~",),
    "/": ("*",),
    "and": ("or", "unless"),
    "or": ("and", "unless"),
    "unless": ("and", "or"),
    "sum": ("max", "min"),
    "max": ("sum", "min"),
    "increase": ("rate",),
    "rate": ("increase",),
}


@dataclass(frozen=True)
class Mutant:
    """A rule that is wrong in one place.

    Attributes:
        rule: The right one.
        data: The wrong one.
        change: What was done to it.
    """

    rule: Rule
    data: dict[str, Any]
    change: str


def mutants(rule: Rule) -> Iterator[Mutant]:
    """Every mutant of a rule."""
    for match in _TOKEN.finditer(rule.expr):
        for other in _others(match):
            expr = rule.expr[: match.start()] + other + rule.expr[match.end() :]
            yield Mutant(rule, {**rule.data, "expr": expr}, f"{match[0]!r} at {match.start()} becomes {other!r}")
    if "for" in rule.data:
        for seconds in _scaled(_seconds(rule.data["for"]), 0.75, 1.25):
            yield Mutant(rule, {**rule.data, "for": f"{seconds}s"}, f"for: {rule.data['for']} becomes {seconds}s")


def _others(match: re.Match[str]) -> Iterator[str]:
    token, kind = match[0], match.lastgroup
    if kind == "number":
        yield from (f"{float(token) * by:g}" for by in (0.95, 1.05)) if "." in token else _neighbours(int(token))
    elif kind == "window":
        yield from (f"[{seconds}s]" for seconds in _scaled(_seconds(token[1:-1]), 0.75, 1.5))
    elif kind == "by":
        labels = re.findall(r"\w+", token)[1:]
        yield from (f"by ({', '.join(left)})" for left in _each_left_out(labels))
    elif kind == "text":
        words = token.strip('"').split("|")
        yield from (f'"{"|".join(left)}"' for left in (_each_left_out(words) if len(words) > 1 else [["other"]]))
    elif kind != "constant":
        yield from _OTHERS.get(token, ())


def _neighbours(number: int) -> tuple[str, str]:
    return str(number - 1), str(number + 1)


def _each_left_out(words: list[str]) -> list[list[str]]:
    return [words[:number] + words[number + 1 :] for number in range(len(words))]


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * _SECONDS[duration[-1]]


def _scaled(seconds: int, *factors: float) -> Iterator[int]:
    return (round(seconds * factor) for factor in factors)
