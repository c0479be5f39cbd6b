"""Lets these tests find the generator: a tool of the workshop that no wheel holds."""

from __future__ import annotations

import sys
from pathlib import Path

# Last on the path: where a wheel is tested, the generated package beside the generator must not be found first.
sys.path.append(str(Path(__file__).parents[2] / "semconv"))
