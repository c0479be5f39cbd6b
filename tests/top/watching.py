"""Starts a service that is always busy, and reads what the view's screen shows as text."""

from __future__ import annotations

import asyncio
import html
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launching import Launched
from textual.app import App
from textual.pilot import Pilot

TRAFFIC = str(Path(__file__).parent / "apps/traffic.py")
_TEXT = re.compile(r'<text[^>]* x="([\d.]+)"[^>]*-line-(\d+)\)[^>]*>([^<]*)</text>')
_WAIT_S, _PAUSE_S = 20.0, 0.2
#: Of a character in the picture.
_CELL_WIDTH = 12.2


def traffic(port: int | None = None) -> Launched:
    """The service, under the launcher; on a port of its own unless it is to have another's."""
    launched = Launched(TRAFFIC, {} if port is None else {"OTEL_EXPORTER_PROMETHEUS_PORT": str(port)})
    launched.port = port or launched.port
    return launched


def lines_of(app: App[Any]) -> list[str]:
    """What is on the screen, line by line."""
    lines: dict[int, dict[int, str]] = defaultdict(dict)
    for x, line, text in _TEXT.findall(app.export_screenshot()):
        lines[int(line)][round(float(x) / _CELL_WIDTH)] = html.unescape(text).replace("\N{NO-BREAK SPACE}", " ")
    return [_line(lines[number]) for number in range(max(lines) + 1)]


def _line(pieces: dict[int, str]) -> str:
    # The picture leaves out what is blank.
    line = ""
    for place, text in sorted(pieces.items()):
        line = line.ljust(place) + text
    return line.rstrip()


async def until(pilot: Pilot[None], condition: Callable[[str], bool]) -> str:
    """The screen as soon as it is so; fails with what it shows if it never is."""
    shown = ""
    for _ in range(int(_WAIT_S / _PAUSE_S)):
        await pilot.pause()
        shown = "\n".join(lines_of(pilot.app))
        if condition(shown):
            return shown
        await asyncio.sleep(_PAUSE_S)
    raise AssertionError(f"the screen shows:\n{shown}")
