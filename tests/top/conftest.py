"""Lets these tests start the services and servers that those of other rooms start."""

from __future__ import annotations

import sys
from pathlib import Path

_TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS / "otel_dbmon"), str(_TESTS)]
