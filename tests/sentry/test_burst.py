"""Many findings, and a Sentry that does not take them: one event, and a service that does not notice."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from launching import Launched
from receiver import Spotlight

APP = str(Path(__file__).parent / "apps" / "burst.py")


def burst(dsn: str, **environment: str) -> tuple[Launched, float, float]:
    """One run: the seconds of its thread that its statements took, and those that its end took."""
    settings = {"SENTRY_DSN": dsn, "OTEL_DBMON_SLOW_QUERY_THRESHOLD": "0", "OTEL_DBMON_PROMETHEUS": "off"}
    launched = Launched(APP, {**settings, **environment})
    with launched:
        took, ended = map(float, launched.output.readline().split())
        launched.process.wait(30)
        until_end = time.time() - ended
    return launched, took, until_end


@pytest.fixture
def silent() -> Iterator[str]:
    """The DSN of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield f"http://key@127.0.0.1:{listener.getsockname()[1]}/1"


@pytest.mark.parametrize("linger", ["0", "2.5"])
def test_five_hundred_slow_statements_are_one_event(spotlight: Spotlight, linger: str) -> None:
    """It stands for the others, whether the process ends at once or goes on."""
    burst(spotlight.dsn, LINGER=linger)
    events = [event for event in spotlight.events() if event["contexts"]["database"]["query"].endswith("AS number")]
    assert len(events) == 1
    assert events[0]["contexts"]["finding"]["suppressed"] == 499


@pytest.mark.parametrize("kind", ["hangs", "refuses"])
def test_a_sentry_that_does_not_take_them_costs_nothing(spotlight: Spotlight, silent: str, kind: str) -> None:
    """The statements are as fast as with one that answers, and the end comes within the time that it is given."""
    _, usual, usual_end = burst(spotlight.dsn)
    _, took, until_end = burst(silent if kind == "hangs" else "http://key@127.0.0.1:1/1")
    print(f"500 statements: {usual:.3f} s, with a Sentry that {kind} {took:.3f} s")
    print(f"the end: {usual_end:.2f} s, with a Sentry that {kind} {until_end:.2f} s")
    assert took < usual * 3 + 0.5
    # A second for the exporters and our sender, one for Sentry's own client, and what a busy machine takes; without a
    # bound, Sentry's client alone would wait for half a minute.
    assert until_end < usual_end + 12
