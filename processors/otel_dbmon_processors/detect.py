"""Takes one observed statement and says whether it is a finding: slow so far; further detectors join here."""

from __future__ import annotations

from otel_dbmon_processors.observation import Observation


class SlowQueryDetector:
    """Calls a statement slow when it took at least the threshold.

    Args:
        threshold_ns: The threshold in nanoseconds (``OTEL_DBMON_SLOW_QUERY_THRESHOLD``).
    """

    __slots__ = ("threshold_ns",)

    def __init__(self, threshold_ns: int) -> None:
        self.threshold_ns = threshold_ns

    def is_slow(self, observation: Observation) -> bool:
        """Whether this statement took the threshold or longer."""
        return observation.duration_ns >= self.threshold_ns
