"""Every query of every panel, put to a real Prometheus that has seen real services, has an answer that can be drawn."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from fleet import GRAFANA, SECONDS, Fleet
from pages import Target, all_chosen, filled_in, pages, targets

#: Labels that only what went wrong has.
RARE = {"stage"}
_LEGEND = re.compile(r"\{\{(\w+)\}\}")
_LINKED = re.compile(r"__field\.labels\.(\w+)|__data\.fields\.(\w+)")


def _answer(fleet: Fleet, target: Target, chosen: dict[str, str]) -> list[dict[str, Any]]:
    expr = filled_in(target.expr, {**GRAFANA, **chosen})
    return fleet.instant(expr) if target.data["instant"] else fleet.range(expr)


def _is_about_absent(fleet: Fleet, target: Target) -> bool:
    """Whether it asks about collectors where there is none; tests/stack has one, and then it must have an answer."""
    return "otelcol_" in target.expr and not fleet.has_collector


def _numbers(series: dict[str, Any]) -> list[float]:
    return [float(value) for _, value in series.get("values", [series.get("value")])]


@pytest.mark.parametrize("target", targets(), ids=str)
def test_a_query_has_an_answer(fleet: Fleet, target: Target) -> None:
    """With All chosen it gives series; none of their values is NaN or infinite, and none is negative."""
    series = _answer(fleet, target, all_chosen(pages()[target.page]))
    if _is_about_absent(fleet, target):
        assert series == []
        return
    assert series
    numbers = [number for found in series for number in _numbers(found)]
    assert all(map(math.isfinite, numbers))
    assert min(numbers) >= 0


@pytest.mark.parametrize("target", targets(), ids=str)
def test_a_query_follows_the_choice_of_a_service(fleet: Fleet, target: Target) -> None:
    """With one service chosen, no series is of another one; and it can be drawn as well."""
    chosen = {**all_chosen(pages()[target.page]), "$service": "ledger"}
    series = _answer(fleet, target, chosen)
    assert {found["metric"].get("service", "ledger") for found in series} <= {"ledger"}
    assert all(math.isfinite(number) for found in series for number in _numbers(found))


@pytest.mark.parametrize("target", targets(), ids=str)
def test_names_in_legends_and_links_are_labels(fleet: Fleet, target: Target) -> None:
    """A label that a legend, a column or a link takes a name from is there."""
    if _is_about_absent(fleet, target):
        return
    series = _answer(fleet, target, all_chosen(pages()[target.page]))
    present = set().union(*(found["metric"] for found in series))
    wanted = set(_LEGEND.findall(target.data.get("legendFormat", "")))
    links = list(target.panel["fieldConfig"]["defaults"].get("links", []))
    columns = []
    for override in target.panel["fieldConfig"]["overrides"]:
        for found in override["properties"]:
            links += found["value"] if found["id"] == "links" else []
            columns += [override["matcher"]["options"]] if found["id"] == "mappings" else []
    wanted |= {name for link in links for match in _LINKED.findall(link["url"]) for name in match if name}
    assert (wanted | set(columns)) - RARE <= present


@pytest.mark.parametrize("uid", pages())
def test_choices_are_offered(fleet: Fleet, uid: str) -> None:
    """Each variable at the top has values to choose from, also within the choice of one service."""
    for variable in pages()[uid]["templating"]["list"]:
        if variable["type"] != "query":
            continue
        chosen = {**all_chosen(pages()[uid]), "$service": "shop"}
        match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert match is not None
        selector, label = filled_in(match.group(1), chosen), match.group(2)
        times = {"start": fleet.ended - SECONDS, "end": fleet.ended}
        assert fleet.ask(f"label/{label}/values", {"match[]": selector, **times})


@pytest.mark.parametrize("uid", pages())
def test_alerts_are_marked(fleet: Fleet, uid: str) -> None:
    """The annotations find the alert that fires, and not the watchdog."""
    (annotation,) = [found for found in pages()[uid]["annotations"]["list"] if "expr" in found.get("target", {})]
    series = fleet.range(filled_in(annotation["target"]["expr"], {**GRAFANA, **all_chosen(pages()[uid])}))
    names = {found["metric"]["alertname"] for found in series}
    assert "DatabasePoolExhausted" in names
    assert "Watchdog" not in names
