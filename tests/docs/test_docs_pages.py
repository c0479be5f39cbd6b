"""The pages of the site: what has to be on them, and links to other sites that are at least links.

That links between pages lead somewhere is checked where the site is built, by `make lint` and `make site`. Other sites
can be asked by `make site ARGS=--links`, where the network allows.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("ruamel.yaml", reason="the extra of verify is not installed")

from otel_dbmon.verify.registry import CHECKS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("README.md")])
_LINK = re.compile(r"\]\((https?:[^)\s]*)\)|<(https?:[^>\s]*)>")


@pytest.mark.parametrize("name", [check.name for check in CHECKS])
def test_each_check_of_verify_is_explained(name: str) -> None:
    """In a section of its own in trouble-shooting, and in the table of the page about verify."""
    headings = re.findall(r"^## (.*)$", (ROOT / "docs" / "troubleshooting.md").read_text(), re.MULTILINE)
    assert name in {part for heading in headings for part in heading.split(", ")}
    rows = re.findall(r"^\| `([a-z-]+)\*?`", (ROOT / "docs" / "verify.md").read_text(), re.MULTILINE)
    assert any(name == row or (row.endswith("-") and name.startswith(row)) for row in rows)


def test_links_to_other_sites_are_links() -> None:
    """Encrypted, with a host that can be one, without a key or a session in them."""
    links = [link for page in PAGES for pair in _LINK.findall(page.read_text()) for link in pair if link]
    assert links
    for link in links:
        parts = urlsplit(link)
        assert parts.scheme == "https", link
        assert re.fullmatch(r"(?:[a-z0-9-]+\.)+[a-z]+", parts.netloc), link
        assert not parts.query, link
