"""Opens a page in Debian's chromium, without a screen and without a network; tells what it said, asked for and drew."""

from __future__ import annotations

import json
import re
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

from programs import need


@dataclass(frozen=True)
class Seen:
    """What became of a page.

    Attributes:
        console: What it said on the console, errors included.
        asked: Addresses outside that the page asked for.
        picture: The screenshot, as PNG.
        dom: What the browser made of the page.
    """

    console: list[str]
    asked: list[str]
    picture: bytes
    dom: str


def look_at(page: Path, folder: Path, dark: bool = False) -> Seen:
    """Open a page, in the colours of light or of dark."""
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    picture, network = folder / "page.png", folder / "network.json"
    said = _run(folder, scheme, f"--log-net-log={network}", f"--screenshot={picture}", page.as_uri())
    dom = _run(folder, scheme, "--dump-dom", page.as_uri()).stdout
    console = re.findall(r"CONSOLE[^\n]*", said.stderr)
    return Seen(console, _addresses(network), picture.read_bytes(), dom)


def print_to_pdf(page: Path, folder: Path) -> bytes:
    """The page as it is printed."""
    pdf = folder / "page.pdf"
    _run(folder, f"--print-to-pdf={pdf}", "--no-pdf-header-footer", page.as_uri())
    return pdf.read_bytes()


def corner(png: bytes) -> tuple[int, int, int]:
    """The colour of the upper left pixel, which no filter of PNG changes."""
    data, at = b"", 8
    while at < len(png):
        length, kind = int.from_bytes(png[at : at + 4], "big"), png[at + 4 : at + 8]
        data += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    first = zlib.decompress(data)
    return first[1], first[2], first[3]


def _run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [
        need("chromium", "chromium-browser", "google-chrome"),
        "--headless",
        # Where tests run as root there is no sandbox to be had.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--window-size=1200,3200",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}",
        *options,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, errors="replace")


def _addresses(log: Path) -> list[str]:
    """What the page made the browser ask for, by the browser's own log; what that asks for itself has no origin."""
    parameters = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    return sorted(
        {str(each["url"]) for each in parameters if each.get("initiator", "not an origin") != "not an origin"}
    )
