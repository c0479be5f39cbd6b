"""Fork servers and spawn servers as people start them: every worker's numbers, once, under its own identity."""

from __future__ import annotations

from collections import Counter

import pytest
from servers import PRELOADED_STATEMENTS, SERVERS, Served
from serving import points_by_instance, wait_for


@pytest.fixture(scope="module", params=SERVERS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """One server after the other, from its first request to its end."""
    with Served(request.param, tmp_path_factory.mktemp("server")) as served:
        served.visit()
        wait_for(served.scrape, "an endpoint of each worker", served.log)
        if served.server.workers > 1:
            wait_for(lambda: "is taken" in served.text(), "a line about the other ports", served.log)
        served.end()
    return served


def in_workers(served: Served) -> Counter[str]:
    """What each process counted, the master left out."""
    counted = +served.counted()
    if served.server.preloads:
        master = next(instance for instance, count in counted.items() if count == PRELOADED_STATEMENTS)
        del counted[master]
    return counted


def test_every_worker_s_numbers_arrive_once_under_its_own_identity(served: Served) -> None:
    """As many as it says it sent, to the last one; what a master sent before it forked is the master's alone."""
    assert sorted(in_workers(served).values()) == sorted(served.sent.values())


def test_every_statement_is_one_span(served: Served) -> None:
    """The queue's rest leaves with the process."""
    before = PRELOADED_STATEMENTS if served.server.preloads else 0
    assert served.spans() == sum(served.sent.values()) + before


def test_every_worker_has_an_endpoint_or_a_line_that_says_why_not(served: Served) -> None:
    """On ports of their own, which the log names; each answers for itself."""
    assert set(served.sent.values()) <= served.scraped


def test_the_server_ends_as_it_would_without_us(served: Served) -> None:
    """With its own exit status, and without a word of ours that something went wrong."""
    assert served.process.returncode == served.server.exit_status
    assert "Traceback" not in served.text()
    assert "failed" not in served.text()


def test_every_process_reports_its_own_cpu_and_nothing_of_the_host(served: Served) -> None:
    """A forked worker would otherwise report its master's figures."""
    switches = points_by_instance(served.arrived, "process.context_switches")
    memory = points_by_instance(served.arrived, "process.memory.usage")
    assert len(memory) >= served.server.workers
    figures = {tuple(point.as_int for point in [*switches[process], *memory[process]]) for process in memory}
    assert len(figures) == len(memory)
    assert not [name for name in served.arrived.metric_names() if name.startswith(("system.", "process.runtime."))]
