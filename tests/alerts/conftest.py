"""Lets these tests find the helper for free ports."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "otel_dbmon"))
