"""The queue and its thread: what the service's threads leave there costs them nothing, whatever Sentry does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from otel_dbmon.sentry.limits import Limits
from otel_dbmon.sentry.sender import Sender, Told
from otel_dbmon_processors.guard import Guard


def told(key: str = "a") -> Told:
    """Something to tell."""
    return Told(key, (1,), None, "")


class Sentry:
    """Takes what is sent, in the way it is told to."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, int]] = []
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.guard = Guard()
        self.flushed: list[float] = []

    def sender(self, interval_s: float = 300) -> Sender:
        return Sender(lambda: Limits(interval_s, 1000), self._take, self.flushed.append, self.guard, 1.0)

    def _take(self, item: Told, others: int) -> None:
        self.goes_on.wait(20)
        if item.key == "refused":
            raise OSError
        self.taken.append((str(item.key), others))


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    """One that takes everything at once."""
    made = Sentry()
    yield made
    made.goes_on.set()


def wait_for(condition: Callable[[], object]) -> None:
    """Until it is so."""
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_five_hundred_of_one_query_are_one_event(sentry: Sentry) -> None:
    """With the number of the others."""
    sender = sentry.sender()
    for _ in range(500):
        sender.put(told())
    wait_for(lambda: sentry.taken)
    assert sentry.taken == [("a", 499)]
    sender.finish_within(5)
    assert sentry.taken == [("a", 499)]


def test_the_end_sends_what_is_there(sentry: Sentry) -> None:
    """At once, and then has Sentry's client send it."""
    sender = sentry.sender()
    sender.put(told("a"))
    sender.put(told("b"))
    started = time.monotonic()
    sender.finish_within(5)
    assert time.monotonic() - started < 1
    assert sentry.taken == [("a", 0), ("b", 0)]
    assert len(sentry.flushed) == 1
    assert sender.thread is None


def test_without_findings_there_is_no_thread(sentry: Sentry) -> None:
    """And nothing to wait for."""
    sender = sentry.sender()
    assert sender.thread is None
    sender.finish_within(5)
    assert sentry.flushed == []


def test_a_sentry_that_hangs_holds_nobody_up(sentry: Sentry) -> None:
    """Findings are left in microseconds, the queue is bounded, and the end comes in time."""
    sentry.goes_on.clear()
    sender = sentry.sender()
    sender.put(told())
    time.sleep(1.2)
    started = time.perf_counter()
    for _ in range(5000):
        sender.put(told())
    each_us = (time.perf_counter() - started) / 5000 * 1e6
    assert each_us < 100
    assert sentry.guard.dropped["sentry_events"] >= 2990
    started = time.monotonic()
    sender.finish_within(0.5)
    assert time.monotonic() - started < 2


def test_one_that_refuses_is_asked_again_next_time(sentry: Sentry) -> None:
    """A failure is counted and ends nothing."""
    sender = sentry.sender()
    sender.put(told("refused"))
    wait_for(lambda: sentry.guard.failures["sentry"])
    sender.put(told("a"))
    wait_for(lambda: sentry.taken)
    sender.finish_within(5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_child_has_a_queue_and_a_thread_of_its_own(sentry: Sentry) -> None:
    """What its parent has found is its parent's to tell."""
    sender = sentry.sender()
    sender.put(told("parents"))
    parents_thread = sender.thread
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        sender.reset()
        sentry.taken.clear()
        before = sender.thread
        sender.put(told("childs"))
        sender.finish_within(5)
        os.write(write, f"{before} {sentry.taken}".encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(write)
    assert os.read(read, 1000).decode() == "None [('childs', 0)]"
    os.close(read)
    assert sender.thread is parents_thread
    sender.finish_within(5)
    assert sentry.taken == [("parents", 0)]


def test_after_the_end_findings_are_only_counted(sentry: Sentry) -> None:
    """The process is ending; nobody starts threads any more."""
    sender = sentry.sender()
    sender.put(told())
    sender.finish_within(5)
    sender.put(told("late"))
    assert sender.thread is None
    assert sentry.guard.dropped["sentry_events"] == 1
