"""Takes a chart; answers with SVG to be put into a page, whose colours are the page's CSS variables."""

from __future__ import annotations

import re
import sys
from typing import Any
from xml.etree import ElementTree

import pygal
from pygal.style import Style

from otel_dbmon.report import wording
from otel_dbmon.report.document import Chart

# Its finder of map plug-ins is one that Python 3.10 and 3.11 warn of at every import, and 3.12 no longer asks.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != pygal.__name__]

_SVG = "{http://www.w3.org/2000/svg}"
_WIDTH, _HEIGHT = 880, 300
#: About so many moments can be read below a chart.
_LABELS = 6
#: Characters of a name.
_LONGEST = 40
_LEGEND_COLUMNS, _LEGEND_ROW = 3, 18
_FAINT = "var(--faint)"
_COLOURS = tuple(f"var(--line-{number})" for number in range(1, 7))
#: On an axis, figures behind the point that are all zero only crowd it.
_round = re.compile(r"\.0+(?=\D|$)")
_FORMS = {"s": wording.seconds, "share": wording.share, "number": wording.count}


def draw(chart: Chart, key: str) -> str:
    """An ``<svg>`` element; nothing in it is a script, an address or a name that is not escaped.

    Args:
        chart: What to draw.
        key: The chart's name in the page, unlike any other's.
    """
    drawn = _bars(chart) if chart.kind == "bar" else _lines(chart)
    drawn.uuid = key
    root = drawn.render_tree()
    _clean(root, key)
    root.set("role", "img")
    root.set("aria-label", chart.title)
    ElementTree.register_namespace("", _SVG.strip("{}"))
    return ElementTree.tostring(root, encoding="unicode", method="html")


def _lines(chart: Chart) -> Any:
    drawn = pygal.Line(
        **_options(chart),
        height=_HEIGHT,
        show_dots=False,
        show_minor_x_labels=False,
        show_x_guides=False,
        range=(0, _top(chart)),
    )
    drawn.x_labels = [wording.visible(label) for label in chart.moments]
    drawn.x_labels_major = drawn.x_labels[:: max(1, len(chart.moments) // _LABELS)]
    for line in chart.lines:
        drawn.add(wording.visible(line.label), list(line.values), allow_interruptions=True)
    return drawn


def _bars(chart: Chart) -> Any:
    # The last one comes on top.
    drawn = pygal.HorizontalBar(
        **_options(chart),
        height=90 + 26 * len(chart.moments) * len(chart.lines),
        show_y_guides=True,
        max_scale=6,
        range=(0, _top(chart)),
    )
    drawn.x_labels = [wording.visible(label) for label in reversed(chart.moments)]
    for line in chart.lines:
        drawn.add(wording.visible(line.label), list(reversed(line.values)))
    return drawn


def _options(chart: Chart) -> dict[str, Any]:
    form = _FORMS[chart.unit]
    colours = [_FAINT if line.is_faint else _COLOURS[place % len(_COLOURS)] for place, line in enumerate(chart.lines)]
    return {
        "style": _style(colours),
        "js": [],
        "width": _WIDTH,
        "margin": 8,
        # pygal leaves room for the legend's first row only.
        "margin_bottom": 8 + _LEGEND_ROW * ((len(chart.lines) - 1) // _LEGEND_COLUMNS),
        "legend_at_bottom": True,
        "legend_at_bottom_columns": min(_LEGEND_COLUMNS, len(chart.lines)),
        "show_legend": len(chart.lines) > 1 or chart.kind == "line",
        "truncate_legend": _LONGEST,
        "truncate_label": _LONGEST,
        "value_formatter": lambda value: _round.sub("", form(value)) if value else "0",
        "no_data_text": "",
        "disable_xml_declaration": True,
    }


def _top(chart: Chart) -> float:
    if chart.unit == "share":
        return 1.0
    return max([value for line in chart.lines for value in line.values if value], default=1.0) * 1.05


def _style(colours: list[str]) -> Style:
    font = "system-ui, sans-serif"
    return Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--text)",
        foreground_strong="var(--text)",
        foreground_subtle="var(--grid)",
        guide_stroke_color="var(--grid)",
        major_guide_stroke_color="var(--grid)",
        opacity="1",
        stroke_opacity="1",
        stroke_width="2",
        transition="0s",
        colors=tuple(colours),
        font_family=font,
        label_font_size=12,
        major_label_font_size=12,
        legend_font_size=13,
    )


def _clean(root: ElementTree.Element, key: str) -> None:
    """Take out what only scripts need, and let no name be given twice in a page of several charts."""
    for parent in list(root.iter()):
        for child in list(parent):
            classes = child.get("class", "")
            # Comments have a function for a tag.
            is_comment = not isinstance(child.tag, str)
            if is_comment or child.tag.endswith("script") or "tooltip-overlay" in classes or "text-overlay" in classes:
                parent.remove(child)
        name = parent.get("id", "")
        if re.match(r"activate-", name):
            parent.set("id", f"{key}-{name}")
