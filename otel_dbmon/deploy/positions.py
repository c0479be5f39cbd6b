"""Takes the text of a YAML file, gives its data and the line of every field in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from otel_dbmon.deploy.problems import Problem

#: Keys and indices from the top to a field.
Way = Sequence[str | int]


class UnreadableError(ValueError):
    """The text is no YAML."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


def load(text: str) -> Any:
    """The data of a YAML text; mappings and lists in it know their lines.

    Raises:
        UnreadableError: It is no YAML, or a key stands twice in one mapping.
    """
    try:
        return YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = (error.problem or error.context or "it cannot be read").splitlines()[0].partition(" with value")[0]
        raise UnreadableError(Problem(mark.line + 1 if mark else 0, "", f"this is no YAML: {reason}")) from None
    except (YAMLError, ValueError, RecursionError):
        raise UnreadableError(Problem(0, "", "this is no YAML")) from None


def line_of(data: Any, way: Way) -> int:
    """The line of a field, counted from 1; that of the nearest field above it where it is not there."""
    line = 0
    for step in way:
        if isinstance(data, CommentedMap) and step in data:
            line = data.lc.key(step)[0]
        elif isinstance(data, CommentedSeq) and isinstance(step, int) and step < len(data):
            line = data.lc.item(step)[0]
        else:
            break
        data = data[step]
    return int(line) + 1


def spelled(way: Way) -> str:
    """A way as a person writes it: ``services[1].path``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in way)
    return text.removeprefix(".")
