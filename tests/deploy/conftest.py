"""Lets these tests start the servers that those of tests/postgres start."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / room) for room in ("postgres", "otel_dbmon")]
