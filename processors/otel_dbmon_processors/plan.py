"""What a database says of how it runs a statement, without any value; and the promise of it, for it comes later."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple


class Plan(NamedTuple):
    """A plan, fit to leave the process.

    Attributes:
        text: A tree, one step of the plan a line: what it does, on which table, by which index and condition.
        hash: 16 hexadecimal digits, equal for plans that differ in nothing but costs, estimates and conditions.
        steps: How each table is read and joined, in the plan's order.
        cost: The planner's own estimate, None where the database has none.
    """

    text: str
    hash: str
    steps: tuple[str, ...]
    cost: float | None = None


class PendingPlan:
    """A plan that is there or will be, or why there is none. Thread safe; settled once.

    Attributes:
        plan: The plan; None as long as it is not there, and where there is none.
        missing: Why there is none, a word of the registry's ``plan_missing``; "" where there is one or may be yet.
    """

    __slots__ = ("_followers", "_is_settled", "_lock", "missing", "plan")

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.missing = ""
        # Reentrant: a garbage collection inside may end a slow statement of the same pattern.
        self._lock = threading.RLock()
        self._is_settled = threading.Event()
        self._followers: list[Callable[[], None]] = []

    @classmethod
    def settled(cls, plan: Plan | None, missing: str = "") -> PendingPlan:
        """One that nobody has to wait for."""
        pending = cls()
        pending.settle(plan, missing)
        return pending

    def settle(self, plan: Plan | None, missing: str = "") -> None:
        """Say what there is; whoever was to be told is told now, in this thread. A second time changes nothing."""
        with self._lock:
            if self._is_settled.is_set():
                return
            self.plan, self.missing = plan, missing
            self._is_settled.set()
            followers, self._followers = self._followers, []
        for follower in followers:
            follower()

    def then(self, follower: Callable[[], None]) -> None:
        """Call this once it is settled: now, if it is. It must not raise."""
        with self._lock:
            if not self._is_settled.is_set():
                self._followers.append(follower)
                return
        follower()

    def wait(self, timeout_s: float) -> None:
        """Wait for it so many seconds at most."""
        self._is_settled.wait(timeout_s)
