"""All that tests/dashboards asks of the dashboards' queries, with the real collector in between; and exemplars."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "otel_dbmon"))
sys.path.insert(0, str(Path(__file__).parents[1] / "dashboards"))

from fleet import GRAFANA, SECONDS, Fleet
from pages import Target, all_chosen, filled_in, pages, targets
from test_queries import (  # noqa: F401 - pytest runs what it finds here
    test_a_query_follows_the_choice_of_a_service,
    test_a_query_has_an_answer,
    test_alerts_are_marked,
    test_choices_are_offered,
    test_names_in_legends_and_links_are_labels,
)


@pytest.fixture(scope="module")
def fleet(collector: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Services that have sent to the gateway for a while, which a real Prometheus scrapes."""
    with Fleet(tmp_path_factory.mktemp("fleet"), collector) as fleet:
        yield fleet


#: The wait for a connection is no statement, and has no span to lead to.
DOTTED = [found for found in targets() if found.data["exemplar"] and "database_query_duration" in found.expr]


@pytest.mark.parametrize("target", DOTTED, ids=str)
def test_dots_lead_to_traces(fleet: Fleet, target: Target) -> None:
    """What a graph of statements' durations asks for has exemplars, each with the id of a trace."""
    expr = filled_in(target.expr, {**GRAFANA, **all_chosen(pages()[target.page])})
    found = fleet.ask("query_exemplars", {"query": expr, "start": fleet.ended - SECONDS, "end": fleet.ended})
    exemplars = [exemplar for series in found for exemplar in series["exemplars"]]
    assert exemplars
    assert all(re.fullmatch(r"[0-9a-f]{32}", exemplar["labels"]["trace_id"]) for exemplar in exemplars)
