"""Takes the project's Markdown as it is read on GitHub, and gives Sphinx what a site needs besides: its navigation.

The source folder is the whole checkout, so that links between pages hold in both places. Pages that no list below names
get a place of their own at the end of the navigation: a new page breaks nothing.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from sphinx.application import Sphinx

from otel_dbmon import __version__

ROOT = Path(__file__).parents[1]

project = "otel-dbmon"
author = "The otel-dbmon authors"
version = release = __version__

extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "docs/*/*.md",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "collector-config/README.md",
    "collector-config/*/README.md",
    "examples/README.md",
    "examples/*/README.md",
    "processors/README.md",
]
exclude_patterns = [".*", "build", "dist", "examples/celery/queue"]

# Every link has to lead somewhere: `make site` takes warnings for errors.
nitpicky = True
# Pygments' PromQL does not know recorded series, which have colons in their names.
suppress_warnings = ["misc.highlighting_failure"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = "otel-dbmon"
html_show_sphinx = False
html_copy_source = False
templates_path = ["_templates"]
# The first page is docs/index.html, so that pages keep their paths; who comes to the top is led there.
html_additional_pages = {"index": "lead.html"}
pygments_style = "friendly"
pygments_dark_style = "monokai"

#: Captions of the navigation and the pages below each, without ``docs/`` and ``.md``.
NAVIGATION = {
    "Begin": ["quick-start", "roll-out", "training", "../examples/README"],
    "What is seen": ["counting", "findings", "bottlenecks", "pools", "processes", "top", "report", "plans", "advise"],
    "Reference": ["reference/settings", "reference/metrics", "reference/attributes", "../processors/README"],
    "Run it": [
        "deploy",
        "verify",
        "troubleshooting",
        "dashboards",
        "alerts",
        "runbooks/README",
        "scaling",
        "../collector-config/README",
    ],
    "Trust": ["security", "compliance", "sentry", "comparison"],
    "The project": ["../README", "../CONTRIBUTING", "../CHANGELOG"],
}
#: Pages whose own folder is listed below them.
FOLDERS = {
    "docs/runbooks/README": "*",
    "examples/README": "*/README",
    "collector-config/README": "*/README",
}


def _toctree(pages: list[str], caption: str = "") -> str:
    options = f":caption: {caption}\n" if caption else ""
    return f"\n```{{toctree}}\n:hidden:\n:glob:\n{options}\n" + "\n".join(pages) + "\n```\n"


def _navigation() -> str:
    """Hidden lists for the first page: those above as far as their pages exist, and whatever else is in ``docs``."""
    lists = {
        caption: [page for page in pages if (ROOT / "docs" / f"{page}.md").is_file()]
        for caption, pages in NAVIGATION.items()
    }
    listed = {"index", *chain.from_iterable(lists.values())}
    found = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    lists["More"] = sorted(page for page in found - listed if not page.startswith("runbooks/"))
    return "".join(_toctree(pages, caption) for caption, pages in lists.items() if pages)


def _add_navigation(_app: Sphinx, page: str, source: list[str]) -> None:
    if page == root_doc:
        source[0] += _navigation()
    elif page in FOLDERS:
        source[0] += _toctree([FOLDERS[page]])


def setup(app: Sphinx) -> None:
    """Called by Sphinx once it has read the settings above."""
    app.connect("source-read", _add_navigation)
