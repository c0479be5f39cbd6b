"""The page in a real browser: nothing on its console, nothing asked of anybody, in light, in dark and on paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from chromium import corner, look_at, print_to_pdf
from filling import DAY, END

from otel_dbmon.command import main


@pytest.fixture(scope="module")
def page(filled: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page on the last day of a Prometheus, in which one service's name is a script."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    assert END % DAY == 0
    assert main(["report", "--prometheus", filled, "--end", "2026-03-02", "--html", str(path)]) == 0
    return path


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_renders(page: Path, tmp_path: Path, dark: bool) -> None:
    """Whole, in the colours that the reader's system asks for, without a word on the console or a request."""
    seen = look_at(page, tmp_path, dark)
    assert (seen.console, seen.asked) == ([], [])
    assert corner(seen.picture) == ((0x14, 0x18, 0x1E) if dark else (255, 255, 255))
    assert seen.dom.count("<svg") >= 5
    assert "<script" not in seen.dom
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in seen.dom
    assert len(seen.picture) > 100_000


def test_it_prints(page: Path, tmp_path: Path) -> None:
    """On a few pages of paper."""
    pdf = print_to_pdf(page, tmp_path)
    assert 3 <= len(re.findall(rb"/Type */Page\b", pdf)) <= 12


def test_a_page_that_speaks_and_asks_would_be_noticed(tmp_path: Path) -> None:
    """What the other tests look for is found where it is."""
    bad = tmp_path / "bad.html"
    bad.write_text("<script>console.error('here')</script><img src='http://elsewhere.example/x.png'>")
    seen = look_at(bad, tmp_path)
    assert "here" in seen.console[0]
    assert seen.asked == ["http://elsewhere.example/x.png"]
