"""Who waits for a plan is told of it."""

from __future__ import annotations

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
