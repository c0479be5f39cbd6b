"""Says how many examples a property is tried on: the usual number, or many times that in an audit."""

from __future__ import annotations

import os


def examples(usual: int) -> int:
    """How many examples to try: ``DBMON_TEST_EFFORT`` times the usual number (`make audit` says 200)."""
    return usual * int(os.environ.get("DBMON_TEST_EFFORT", "1"))
