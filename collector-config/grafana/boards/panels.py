"""Turns queries into Grafana's panels: one function a kind of panel, with the choices that hold for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

DATASOURCE: Final = {"type": "prometheus", "uid": "$datasource"}

# Okabe and Ito's palette: told apart with any kind of colour vision, and in grey by lightness.
SKY, GREEN, BLUE, ORANGE, VERMILLION, PURPLE = "#56B4E9", "#009E73", "#0072B2", "#E69F00", "#D55E00", "#CC79A7"
GOOD, WARNING, CRITICAL = BLUE, ORANGE, VERMILLION

Panel = dict[str, Any]


class Query(NamedTuple):
    """One query of a panel.

    Attributes:
        expr: PromQL.
        legend: A series' name, with labels in double braces.
        column: What a table calls the value.
        unit: The unit of that column.
    """

    expr: str
    legend: str = ""
    column: str = ""
    unit: str = ""


class Told(NamedTuple):
    """What a panel says of itself when somebody points at its title.

    Attributes:
        shows: What it shows.
        normal: What is normal.
        act: What to do when it is not.
        runbook: The alert whose runbook goes on from here.
    """

    shows: str
    normal: str
    act: str
    runbook: str = ""

    def text(self) -> str:
        """All of it, in Markdown."""
        parts = [f"**Shows.** {self.shows}", f"**Normal.** {self.normal}", f"**Otherwise.** {self.act}"]
        if self.runbook:
            parts.append(f"Runbook: docs/runbooks/{self.runbook}.md")
        return "\n\n".join(parts)


class Link(NamedTuple):
    """Where a click on a value leads."""

    title: str
    url: str


def trend(
    title: str,
    told: Told,
    unit: str,
    *queries: Query,
    limits: Sequence[float] = (),
    width: int = 12,
    stacked: str = "",
    colours: Mapping[str, str] | None = None,
    link: Link | None = None,
    empty: str = "",
    most: float | None = None,
    interval: str = "",
) -> Panel:
    """A graph over time.

    Args:
        title: Of the panel.
        told: Of the panel.
        unit: Grafana's id of the unit.
        queries: What to draw.
        limits: Where a warning begins, and where it is critical; drawn as lines.
        width: Of 24.
        stacked: ``normal`` or ``percent`` for bars on top of one another.
        colours: A colour for each name in the legend, where these are few and known.
        link: Where a click on a series leads.
        empty: What an empty panel says.
        most: Upper end of the axis.
        interval: Least step.
    """
    custom: dict[str, Any] = {
        "drawStyle": "bars" if stacked else "line",
        "lineWidth": 1,
        "fillOpacity": 60 if stacked else 8,
        "showPoints": "auto",
        "pointSize": 4,
        "spanNulls": False,
        "axisSoftMin": 0,
        "stacking": {"mode": stacked or "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if limits else "off"},
    }
    defaults = {
        # By name, so that a service has the same colour on every panel.
        "color": {"mode": "palette-classic-by-name"},
        "custom": custom,
        "unit": unit,
        "min": 0,
        "thresholds": _thresholds(limits),
        **({"max": most} if most is not None else {}),
        **({"noValue": empty} if empty else {}),
        **({"links": [_link(link)]} if link else {}),
    }
    overrides = [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for name, colour in (colours or {}).items()
    ]
    return {
        **_panel("timeseries", title, told, width, 8),
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
        "options": {
            "legend": {
                "calcs": ["mean", "max", "lastNotNull"],
                "displayMode": "table",
                "placement": "bottom",
                "showLegend": True,
                "sortBy": "Max",
                "sortDesc": True,
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [_target(letter, query) for letter, query in zip("ABCDEFGH", queries, strict=False)],
        **({"interval": interval} if interval else {}),
    }


def figure(
    title: str,
    told: Told,
    unit: str,
    query: Query,
    limits: Sequence[float] = (),
    width: int = 4,
    empty: str = "no data",
    decimals: int | None = None,
) -> Panel:
    """One number, with its course behind it."""
    return {
        **_panel("stat", title, told, width, 5),
        "fieldConfig": {
            "defaults": {
                "color": {"mode": "thresholds"},
                "unit": unit,
                "thresholds": _thresholds(limits),
                "noValue": empty,
                **({"decimals": decimals} if decimals is not None else {}),
            },
            "overrides": [],
        },
        "options": {
            "colorMode": "value",
            "graphMode": "area",
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "showPercentChange": False,
            "textMode": "value",
            "wideLayout": True,
        },
        "targets": [_target("A", query)],
    }


def ranking(
    title: str,
    told: Told,
    labels: Sequence[str],
    *queries: Query,
    width: int = 12,
    height: int = 9,
    links: Mapping[str, Sequence[Link]] | None = None,
    limits: Mapping[str, Sequence[float]] | None = None,
    empty: str = "nothing",
) -> Panel:
    """A table of the whole time shown: the first query makes the rows and their order, the others add columns.

    Args:
        title: Of the panel.
        told: Of the panel.
        labels: The columns that name a row.
        queries: A column of values each.
        width: Of 24.
        height: In Grafana's grid.
        links: Where a click on a column's cell leads.
        limits: Of a column, where a warning begins, and where it is critical.
        empty: What an empty panel says.
    """
    values = ["Value"] if len(queries) == 1 else [f"Value #{letter}" for letter in "ABCDEFGH"[: len(queries)]]
    overrides = [_of_column(label, _NAMELESS, *_links((links or {}).get(label, ()))) for label in labels]
    for query in queries:
        overrides.append(_of_column(query.column, {"id": "unit", "value": query.unit}, *_background(query, limits)))
    columns = {
        "excludeByName": {"Time": True},
        "indexByName": {name: index for index, name in enumerate([*labels, *values])},
        "renameByName": {value: query.column for value, query in zip(values, queries, strict=True)},
    }
    return {
        **_panel("table", title, told, width, height),
        "fieldConfig": {
            "defaults": {
                "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "filterable": True},
                "unit": queries[0].unit,
                "noValue": empty,
                "color": {"mode": "thresholds"},
                "thresholds": _thresholds(()),
            },
            "overrides": overrides,
        },
        "options": {
            "cellHeight": "sm",
            "frameIndex": 0,
            "showHeader": True,
            "sortBy": [{"displayName": queries[0].column, "desc": True}],
        },
        "targets": [
            _target(letter, query, instant=True)
            for letter, query in zip("ABCDEFGH", _among_the_first(queries), strict=False)
        ],
        "transformations": [{"id": "merge", "options": {}}, {"id": "organize", "options": columns}],
    }


def distribution(title: str, told: Told, query: Query, width: int = 12) -> Panel:
    """A histogram's buckets over time, darker where more fell."""
    return {
        **_panel("heatmap", title, told, width, 8),
        "fieldConfig": {
            "defaults": {"custom": {"hideFrom": {"legend": False, "tooltip": False, "viz": False}}},
            "overrides": [],
        },
        "options": {
            "calculate": False,
            "cellGap": 1,
            "color": {
                "exponent": 0.5,
                "fill": BLUE,
                "mode": "scheme",
                "reverse": False,
                "scale": "exponential",
                # Even in lightness, so that it is read in the same order with any colour vision.
                "scheme": "Viridis",
                "steps": 64,
            },
            "exemplars": {"color": VERMILLION},
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "showValue": "never",
            "tooltip": {"mode": "single", "showColorScale": True, "yHistogram": True},
            "yAxis": {"axisPlacement": "left", "unit": "s"},
        },
        "targets": [{**_target("A", query), "format": "heatmap"}],
    }


#: A label that a series does not have, as the overflow series has none, or that is empty, as the table of a statement
#: without one.
_NAMELESS: Final[dict[str, Any]] = {
    "id": "mappings",
    "value": [
        {"type": "special", "options": {"match": match, "result": {"text": "(none)", "index": index}}}
        for index, match in enumerate(("empty", "null"))
    ],
}


def _panel(kind: str, title: str, told: Told, width: int, height: int) -> Panel:
    return {
        "type": kind,
        "title": title,
        "description": told.text(),
        "datasource": DATASOURCE,
        "gridPos": {"h": height, "w": width, "x": 0, "y": 0},
    }


def _target(letter: str, query: Query, instant: bool = False) -> dict[str, Any]:
    target: dict[str, Any] = {"refId": letter, "datasource": DATASOURCE, "editorMode": "code", "expr": query.expr}
    if instant:
        return {**target, "instant": True, "range": False, "format": "table", "exemplar": False}
    # Only a histogram's series have exemplars, which lead from a dot to the trace it came from.
    exemplar = "_bucket{" in query.expr
    return {
        **target,
        "instant": False,
        "range": True,
        "format": "time_series",
        "exemplar": exemplar,
        "legendFormat": query.legend,
    }


def _among_the_first(queries: Sequence[Query]) -> list[Query]:
    """The queries, all after the first without the rows that it does not have."""
    first, *others = queries
    return [first, *(query._replace(expr=f"({query.expr}) and {first.expr}") for query in others)]


def _thresholds(limits: Sequence[float]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": GOOD, "value": None}]
    for colour, limit in zip((WARNING, CRITICAL), limits, strict=False):
        steps.append({"color": colour, "value": limit})
    return {"mode": "absolute", "steps": steps}


def _link(link: Link) -> dict[str, Any]:
    return {"title": link.title, "url": link.url, "targetBlank": False}


def _links(links: Sequence[Link]) -> list[dict[str, Any]]:
    return [{"id": "links", "value": [_link(link) for link in links]}] if links else []


def _of_column(name: str, *properties: dict[str, Any]) -> dict[str, Any]:
    return {"matcher": {"id": "byName", "options": name}, "properties": list(properties)}


def _background(query: Query, limits: Mapping[str, Sequence[float]] | None) -> list[dict[str, Any]]:
    if query.column not in (limits or {}):
        return []
    assert limits is not None
    cell = {"type": "color-background", "mode": "basic"}
    return [
        {"id": "thresholds", "value": _thresholds(limits[query.column])},
        {"id": "custom.cellOptions", "value": cell},
    ]
