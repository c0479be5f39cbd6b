"""What a check found out, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(str, Enum):
    """How a check ended; only ``FAILED`` makes the command fail."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Result:
    """The answer of one check.

    Attributes:
        status: How it ended.
        detail: What was looked at and seen; holds no secrets and no values.
        advice: What to do, unless all is well.
    """

    status: Status
    detail: str
    advice: str = ""


def ok(detail: str) -> Result:
    """All is well."""
    return Result(Status.OK, detail)


def warning(detail: str, advice: str) -> Result:
    """It works, but somebody should look."""
    return Result(Status.WARNING, detail, advice)


def failed(detail: str, advice: str) -> Result:
    """It does not work."""
    return Result(Status.FAILED, detail, advice)


def skipped(detail: str, advice: str = "") -> Result:
    """It was not looked at."""
    return Result(Status.SKIPPED, detail, advice)


def worst(results: list[Result], well: str) -> Result:
    """Several answers as one: the worst status, with what is said by all answers of that status."""
    for status in (Status.FAILED, Status.WARNING):
        found = [result for result in results if result.status is status]
        if found:
            advice = dict.fromkeys(result.advice for result in found)
            return Result(status, "; ".join(result.detail for result in found), "; ".join(advice))
    return ok(well)
