"""Takes what ``otel-dbmon advise --format json`` answered; gives back the indexes that would pay off."""

from __future__ import annotations

import json
from pathlib import Path

from otel_dbmon.report.model import Advised


class UnreadableAdviceError(Exception):
    """It is no such answer; the message says which file."""


def read_advice(path: Path) -> tuple[Advised, ...]:
    """The indexes, in the advisor's order.

    Raises:
        UnreadableAdviceError: The file cannot be read.
    """
    try:
        return advised_in(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        raise UnreadableAdviceError(f"{path}: no answer of `otel-dbmon advise --format json`") from None


def advised_in(answer: str) -> tuple[Advised, ...]:
    """The same of a text.

    Raises:
        KeyError, TypeError, ValueError: It is none.
    """
    advice = json.loads(answer)
    return tuple(
        Advised(
            table=str(found["table"]),
            create=str(found["create"]),
            proof=str(advice["proof"]),
            services=tuple(map(str, found["services"])),
            statements=len(found["statements"]),
            saving=max(
                (helped["saving"] for helped in found["statements"] if helped["saving"] is not None), default=None
            ),
        )
        for found in advice["suggestions"]
    )
