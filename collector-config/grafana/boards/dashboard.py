"""Turns rows of panels into one dashboard in Grafana's classic JSON: grid, ids, variables, links, annotations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from boards.panels import DATASOURCE, VERMILLION, Panel
from boards.promql import Named
from boards.series import ALERTS, INSTANCE, JOB
from otel_dbmon_semconv.attributes import LABEL_SERVICE
from otel_dbmon_semconv.metrics import DATABASE_QUERY_DURATION

TAG: Final = "otel-dbmon"
#: Of dashboards since Grafana 9; newer Grafanas migrate it when they load it.
SCHEMA_VERSION: Final = 39
_COLUMNS: Final = 24


@dataclass(frozen=True)
class Row:
    """Panels under one heading, from left to right and then below."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """A choice at the top, of a label's values.

    Attributes:
        label: The label, and the variable's name.
        metric: The metric whose label it is.
        part: A histogram's ``_count``.
        several: Whether several and all can be chosen, or exactly one.
        every: What stands for all: ``.*`` takes in series without the label.
        within: Labels whose variables narrow the choice.
    """

    label: str
    metric: Named = DATABASE_QUERY_DURATION
    part: str = "_count"
    several: bool = True
    every: str = ".*"
    within: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """As Grafana has it."""
        matchers = ",".join(f'{label}=~"${label}"' for label in self.within)
        selector = f"{self.metric.prometheus_name}{self.part}{{{matchers}}}"
        query = f"label_values({selector}, {self.label})"
        variable: dict[str, Any] = {
            "name": self.label,
            "label": self.label.capitalize(),
            "type": "query",
            "datasource": DATASOURCE,
            "query": {"qryType": 1, "query": query, "refId": f"variable-{self.label}"},
            "refresh": 2,
            "regex": "",
            "sort": 1,
            "hide": 0,
            "multi": self.several,
            "includeAll": self.several,
            "options": [],
        }
        if self.several:
            variable["allValue"] = self.every
            variable["current"] = {"selected": True, "text": ["All"], "value": ["$__all"]}
        return variable


@dataclass(frozen=True)
class Dashboard:
    """One page.

    Attributes:
        uid: What links name it by.
        title: Of the page.
        description: What question it answers.
        variables: The choices at the top, beside data source, job and instance.
        rows: What is on it.
        since: How far back it looks at first.
        refresh: How often it looks again.
    """

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    since: str = "now-1h"
    refresh: str = "1m"

    def text(self) -> str:
        """The file's text."""
        return json.dumps(self.json(), indent=2, ensure_ascii=False) + "\n"

    def json(self) -> dict[str, Any]:
        """As Grafana has it."""
        processes = (
            Variable(JOB, every=".+", within=(LABEL_SERVICE,)),
            Variable(INSTANCE, every=".+", within=(LABEL_SERVICE, JOB)),
        )
        return {
            "id": None,
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            # Changes are made where they last: in the generator.
            "editable": False,
            "graphTooltip": 1,
            "timezone": "browser",
            "time": {"from": self.since, "to": "now"},
            "refresh": self.refresh,
            "timepicker": {},
            "fiscalYearStartMonth": 0,
            "liveNow": False,
            "links": [_others()],
            "annotations": {"list": [_built_in(), _alerts()]},
            "templating": {"list": [_data_source(), *(found.json() for found in (*self.variables, *processes))]},
            "panels": self._panels(),
        }

    def _panels(self) -> list[dict[str, Any]]:
        panels: list[dict[str, Any]] = []
        top = 0
        for row in self.rows:
            heading = {"type": "row", "title": row.title, "collapsed": False, "panels": []}
            panels.append({**heading, "gridPos": {"h": 1, "w": _COLUMNS, "x": 0, "y": top}})
            top = self._place(row, top + 1, panels)
        return [{"id": number, **panel} for number, panel in enumerate(panels, 1)]

    def _place(self, row: Row, top: int, panels: list[dict[str, Any]]) -> int:
        """Put the row's panels side by side, as many as fit, and give the line below them."""
        left = height = 0
        for panel in row.panels:
            size = panel["gridPos"]
            if left + size["w"] > _COLUMNS:
                left, top, height = 0, top + height, 0
            place = {**size, "x": left, "y": top}
            panels.append({**panel, "description": self._description(panel), "gridPos": place})
            left, height = left + size["w"], max(height, size["h"])
        return top + height

    def _description(self, panel: Panel) -> str:
        """What the panel tells of itself, and which choices at the top it can't follow."""
        description: str = panel["description"]
        unmoved = [
            variable.label
            for variable in self.variables
            if not all(f"${variable.label}" in target["expr"] for target in panel["targets"])
        ]
        if unmoved:
            description += f"\n\nNot narrowed by: {', '.join(unmoved)}."
        return description


def _data_source() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "options": [],
    }


def _others() -> dict[str, Any]:
    return {
        "title": "Database dashboards",
        "type": "dashboards",
        "tags": [TAG],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


def _built_in() -> dict[str, Any]:
    return {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    }


def _alerts() -> dict[str, Any]:
    """When an alert that concerns the chosen services was firing, marked in every graph."""
    expr = f'{ALERTS.prometheus_name}{{alertstate="firing",severity=~"critical|warning",{LABEL_SERVICE}=~"$service|"}}'
    return {
        "name": "Alerts",
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": VERMILLION,
        "target": {"refId": "Anno", "expr": expr, "interval": "60s"},
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}} {{service}} {{database}}",
        "tagKeys": "alertname,severity,service",
        "useValueForTime": False,
    }
