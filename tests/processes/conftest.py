"""Lets these tests use what the launcher's tests use."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "otel_dbmon"))
