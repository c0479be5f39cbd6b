"""What is wrong with an inventory: where, in which field, and what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class DeployError(Exception):
    """Deployment cannot go on; the message says why and what to do. Nothing was changed.

    Attributes:
        exit_code: 1, or 2 if the mistake is in what the command was given.
    """

    exit_code = 1


@dataclass(frozen=True)
class Problem:
    """One mistake.

    Attributes:
        line: Counted from 1; 0 if it stands in no file.
        field: Where it is, like ``services[1].path``.
        text: What is wrong, and what would be right; never a value that may be a secret.
    """

    line: int
    field: str
    text: str


class InvalidInventoryError(DeployError):
    """The inventory has mistakes; the message has a line for each."""

    exit_code = 2

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.line)
        super().__init__("\n".join(_line(source, problem) for problem in self.problems))


def _line(source: str, problem: Problem) -> str:
    place = f"{source}:{problem.line}" if problem.line else source
    return f"{place}: {problem.field}: {problem.text}" if problem.field else f"{place}: {problem.text}"
