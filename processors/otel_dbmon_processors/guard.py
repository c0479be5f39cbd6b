"""Keeps our failures away from the service: counts them by stage and says each once, by class name only."""

from __future__ import annotations

import logging
from collections import Counter

_logger = logging.getLogger("otel_dbmon")


class Guard:
    """Counts what failed and what was dropped.

    An exception's message may hold a person's value, so only its class is ever logged.
    """

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()

    def failed(self, stage: str, error: BaseException) -> None:
        """Count a failure of ours in ``stage``; the first of each stage is logged. Never raises."""
        self.failures[stage] += 1
        if self.failures[stage] == 1:
            _logger.warning(
                "otel-dbmon: %s failed in '%s'; the service is not affected and further failures are only counted",
                type(error).__name__,
                stage,
            )

    def drop(self, what: str, count: int = 1) -> None:
        """Count something that a bound made us drop (``series``, ``patterns``, ``query_text``)."""
        self.dropped[what] += count

    def reset(self) -> None:
        """Forget all counts; a forked child starts at zero."""
        self.failures.clear()
        self.dropped.clear()
