"""The rules of Grafana's dashboard linter, by their published names; what we except says why.

The linter itself is a Go module that no registry serves. `target-promql-rule` and the PromQL half of
`template-label-promql-rule` are in test_queries, where a real Prometheus judges; the rules of Loki have no object.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from pages import Target, pages, panels, targets

#: Units that we use, all of Grafana's own list.
UNITS = {"bytes", "cps", "locale", "none", "ops", "percentunit", "s", "short"}
#: Series about Prometheus and collectors: job and instance are not those of a process that the page is about.
ABOUT_OTHERS = ("ALERTS", "up", "scrape_", "otelcol_")
_SELECTOR = re.compile(r"(?<![\w$:])([a-zA-Z_:][\w:]*)\{([^{}]*)\}(\[[^\]]*\])?")
_RANGED = re.compile(r"\b(rate|irate|increase)\([a-z_]+\{[^{}]*\}\[([^\]]*)\]")

every_page = pytest.mark.parametrize("uid", pages())
every_panel = pytest.mark.parametrize(
    "panel",
    [panel for page in pages().values() for panel in panels(page)],
    ids=lambda panel: f"{panel['id']}, {panel['title']}",
)
every_target = pytest.mark.parametrize("target", targets(), ids=str)


def _variables(uid: str, **wanted: str) -> list[dict[str, Any]]:
    found = pages()[uid]["templating"]["list"]
    return [variable for variable in found if wanted.items() <= variable.items()]


@every_page
def test_template_datasource_rule(uid: str) -> None:
    """There is one data source to choose."""
    (variable,) = _variables(uid, type="datasource")
    assert (variable["name"], variable["label"], variable["query"]) == ("datasource", "Data source", "prometheus")


@every_page
@pytest.mark.parametrize("name", ["job", "instance"])
def test_template_job_and_instance_rules(uid: str, name: str) -> None:
    """Job and instance can be chosen, several of them or all."""
    (variable,) = _variables(uid, name=name)
    assert variable["type"] == "query"
    assert variable["label"] == name.capitalize()
    assert variable["datasource"]["uid"] == "$datasource"
    assert variable["multi"]
    assert variable["allValue"] == ".+"


@every_page
def test_template_label_promql_rule(uid: str) -> None:
    """Choices are made of a label's values."""
    for variable in _variables(uid, type="query"):
        assert re.fullmatch(r"label_values\([a-z_]+\{.*\}, \w+\)", variable["query"]["query"])


@every_page
def test_template_on_time_change_reload_rule(uid: str) -> None:
    """Choices are looked up again when the time shown changes."""
    assert {variable["refresh"] for variable in _variables(uid, type="query")} == {2}


@every_page
def test_uneditable_dashboard(uid: str) -> None:
    """Changes are made where they last: in the generator."""
    assert pages()[uid]["editable"] is False


@every_panel
def test_panel_datasource_rule(panel: dict[str, Any]) -> None:
    """Panels ask the data source that was chosen, and so does each of their queries."""
    used = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert all(found == {"type": "prometheus", "uid": "$datasource"} for found in used)


@every_panel
def test_panel_title_description_rule(panel: dict[str, Any]) -> None:
    """Panels have a title and a description."""
    assert panel["title"]
    assert panel["description"]


@every_panel
def test_panel_units_rule(panel: dict[str, Any]) -> None:
    """Values have units."""
    if panel["type"] == "heatmap":
        assert panel["options"]["yAxis"]["unit"] in UNITS
        return
    field = panel["fieldConfig"]
    given = [found["value"] for each in field["overrides"] for found in each["properties"] if found["id"] == "unit"]
    assert {field["defaults"]["unit"], *given} <= UNITS


@every_panel
def test_panel_no_targets_rule(panel: dict[str, Any]) -> None:
    """Panels have queries, each with a letter of its own."""
    letters = [target["refId"] for target in panel["targets"]]
    assert letters
    assert len(set(letters)) == len(letters)


@every_target
def test_target_rate_interval_rule(target: Target) -> None:
    """Rates at a point are over $__rate_interval; rankings of the whole time shown are over $__range, and say so."""
    for _, window in _RANGED.findall(target.expr):
        if window == "$__range":
            assert target.data["instant"] or "@ end()" in target.expr
        else:
            assert window == "$__rate_interval"


@every_target
def test_target_job_and_instance_rules(target: Target) -> None:
    """Each selector follows the choice of jobs and of instances."""
    for name, matchers, _ in _SELECTOR.findall(target.expr):
        if not name.startswith(ABOUT_OTHERS):
            assert {'job=~"$job"', 'instance=~"$instance"'} <= set(matchers.split(","))


@every_target
def test_target_counter_agg_rule(target: Target) -> None:
    """A counter is only looked at as a rate or an increase."""
    for match in _SELECTOR.finditer(target.expr):
        if match.group(1).endswith("_total"):
            assert re.search(r"\b(rate|irate|increase)\($", target.expr[: match.start()])
