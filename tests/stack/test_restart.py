"""Collectors are killed and started again under load: nothing is lost, and the service does not notice."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from processes import until
from stack import Stack, running
from traffic import Visitors
from webhook import Webhook

DOWN = ("TelemetryDown", "")
COUNT = 'sum(database_query_duration_seconds_count{service="user-svc"})'


@dataclass
class Outcome:
    """What became of it.

    Attributes:
        statuses: What visitors got.
        unsent: The agent's queue of spans when it was killed, in bytes.
        told: What the webhook was told of the gateway.
    """

    stack: Stack
    statuses: Counter[int]
    unsent: float
    told: list[str]


@pytest.fixture(scope="module")
def outcome(
    tmp_path_factory: pytest.TempPathFactory, secrets: Path, collector: Path, prometheus3: Path
) -> Iterator[Outcome]:
    """First the gateway dies, then the agent with a full queue; then both come back."""
    folder = tmp_path_factory.mktemp("restart")
    with running(folder, secrets, collector, prometheus3) as stack, Webhook(secrets, stack.ports["webhook"]) as webhook:
        service = stack.shop("user-svc")
        service.process.start()
        with Visitors(lambda _: service.visit("/orders/eager"), 3, pause=0.02) as visitors:
            until("statements are counted", lambda: stack.metrics.value(COUNT) > 100)
            stack.processes["gateway"].kill()
            until("people are told", lambda: webhook.was_told(*DOWN, "firing"))
            unsent = queue_size(stack)
            stack.processes["agent"].kill()
            time.sleep(1)
            stack.processes["agent"].start()
            time.sleep(2)
            stack.processes["gateway"].start()
            until("people are told that it is over", lambda: webhook.was_told(*DOWN, "resolved"))
        yield Outcome(stack, visitors.statuses, unsent, webhook.told[DOWN])


def queue_size(stack: Stack) -> float:
    """Bytes in the file of the agent's queue of spans."""
    return sum(path.stat().st_size for path in (stack.folder / "agent" / "agent").glob("*traces*"))


def stored(stack: Stack) -> Counter[str]:
    """How often each span of a statement is in the trace store."""
    return Counter(
        span["spanId"]
        for span in stack.stored_spans()
        if "db.query.text" in span["attributes"] and span["resource"]["service.name"] == "user-svc"
    )


def test_no_span_is_lost(outcome: Outcome) -> None:
    """As many spans of statements are in the trace store as the service counted; it dropped none itself."""
    stack = outcome.stack
    counted = settled(stack)
    assert outcome.unsent > 0
    until("all spans are stored", lambda: len(stored(stack)) >= counted, 60)
    assert len(stored(stack)) == counted
    assert stack.metrics.value('sum(dbmon_dropped_total{job="user-svc"})') == 0


def test_metrics_go_on(outcome: Outcome) -> None:
    """Counters neither start anew nor lose what was counted meanwhile."""
    counted = settled(outcome.stack)
    for metrics in (outcome.stack.metrics, outcome.stack.metrics3, outcome.stack.remote):
        until("all of it has arrived", lambda metrics=metrics: metrics.value(COUNT) == counted, 60)
        assert metrics.value('sum(resets(database_query_duration_seconds_count{service="user-svc"}[5m]))') == 0


def test_gateway_is_missed(outcome: Outcome) -> None:
    """An alert said that it is gone, and then that it is back."""
    assert outcome.told == ["firing", "resolved"]


def test_service_does_not_notice(outcome: Outcome) -> None:
    """Every visitor got the page."""
    assert set(outcome.statuses) == {200}
    assert outcome.statuses[200] > 100


def settled(stack: Stack) -> float:
    """What the service counted in all, once no more comes."""
    seen = [-1.0]

    def is_settled() -> bool:
        seen.append(stack.metrics.value(COUNT))
        return seen[-1] == seen[-2] > 0

    until("the count stands still", is_settled, 60, pause=5)
    return seen[-1]
