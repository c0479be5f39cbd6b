"""The soak itself, for seconds instead of minutes: that it counts, and that it would notice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).with_name("soak.py")


def test_a_short_soak_counts_every_statement_and_every_lost_span() -> None:
    """Memory is another matter: nothing is flat in the first seconds."""
    soak = subprocess.run([sys.executable, SOAK, "--seconds", "9"], capture_output=True, text=True, check=False)
    lines = soak.stdout.splitlines()
    assert "ok     every statement is counted" in lines, soak.stdout + soak.stderr
    assert "ok     every lost span is counted" in lines, soak.stdout
    assert "ok     nothing went wrong in the service" in lines, soak.stdout
    assert "ok     nothing failed in otel-dbmon" in lines, soak.stdout
