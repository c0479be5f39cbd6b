"""Who waits for a plan, and for those who are told of it."""

from __future__ import annotations

import threading
import time

from otel_dbmon_processors.plan import PendingPlan, Plan

PLAN = Plan("Seq Scan on users", "0123456789abcdef", ("Seq Scan on users",))


def test_whoever_waits_is_told_once() -> None:
    """Before, or at once where it is settled; what is said later changes nothing."""
    pending, told = PendingPlan(), list[str]()
    pending.then(lambda: told.append("waited"))
    pending.settle(PLAN)
    pending.settle(None, "too_late")
    pending.then(lambda: told.append("came later"))
    assert told == ["waited", "came later"]
    assert (pending.plan, pending.missing) == (PLAN, "")


def test_the_end_of_a_process_waits_for_those_who_are_being_told() -> None:
    """A thread that tells of a plan just now is not cut off: what it tells would be lost."""
    pending, begun, told = PendingPlan(), threading.Event(), list[str]()

    def slowly() -> None:
        begun.set()
        time.sleep(0.1)
        told.append("told")

    pending.then(slowly)
    thread = threading.Thread(target=pending.settle, args=(PLAN,))
    thread.start()
    begun.wait()
    pending.settle(None, "too_late")
    assert told == ["told"]
    thread.join()


def test_the_end_does_not_wait_for_ever() -> None:
    """Somebody who hangs while being told is left behind."""
    pending, begun, end = PendingPlan(), threading.Event(), threading.Event()

    def forever() -> None:
        begun.set()
        end.wait()

    pending.then(forever)
    thread = threading.Thread(target=pending.settle, args=(PLAN,))
    thread.start()
    begun.wait()
    started = time.monotonic()
    pending.settle(None, "too_late")
    assert time.monotonic() - started < 20
    end.set()
    thread.join()
