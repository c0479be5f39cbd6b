"""Every name in a query is declared: by the registry, or by a program of the stack; every runbook is there."""

from __future__ import annotations

import re

import pytest
from fleet import GRAFANA
from pages import GRAFANA as FOLDER
from pages import Target, all_chosen, filled_in, pages, panels, targets
from promql import UndeclaredError, declared, labels_left

_LEGEND = re.compile(r"\{\{(\w+)\}\}")


@pytest.mark.parametrize("target", targets(), ids=str)
def test_names_are_declared(target: Target) -> None:
    """A query uses no series that nobody tells of and no label that it does not have; nor does its legend."""
    expr = filled_in(target.expr, {**GRAFANA, **all_chosen(pages()[target.page])})
    assert set(_LEGEND.findall(target.data.get("legendFormat", ""))) <= labels_left(expr, declared())


@pytest.mark.parametrize("slip", ["database_error_total", 'database_errors_total{table="users"}', "sum by (pool) (up)"])
def test_undeclared_names_are_found(slip: str) -> None:
    """The search sees a slip of each kind."""
    with pytest.raises(UndeclaredError):
        labels_left(slip, declared())


def test_runbooks_are_there() -> None:
    """A runbook that a panel names exists."""
    text = "".join(panel["description"] for page in pages().values() for panel in panels(page))
    named = set(re.findall(r"Runbook: (\S+\.md)", text))
    assert len(named) > 10
    assert [name for name in named if not (FOLDER.parents[1] / name).is_file()] == []
