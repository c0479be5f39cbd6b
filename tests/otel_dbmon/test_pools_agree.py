"""Whatever is done to a pool, what we tell of it agrees with what SQLAlchemy and the driver know."""

from __future__ import annotations

import gc
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pooling import Counted, Watched
from sqlalchemy import create_engine, exc
from sqlalchemy.pool import NullPool, QueuePool

KINDS: list[dict[str, Any]] = [
    {"poolclass": QueuePool, "pool_size": 2, "max_overflow": 1, "pool_timeout": 0},
    {"poolclass": QueuePool, "pool_size": 1, "max_overflow": -1},
    {"poolclass": NullPool},
]


class Use(RuleBasedStateMachine):
    """One engine and everything an application may do to its connections."""

    @initialize(arguments=st.sampled_from(KINDS))
    def start(self, arguments: dict[str, Any]) -> None:
        """Make the engine; the collector runs only where a rule says so."""
        gc.disable()
        self.watched = Watched()
        self.engine = create_engine("sqlite://", creator=self.open, **arguments)
        self.watched.pools.add(self.engine)
        self.opened: list[Counted] = []
        self.held: list[Any] = []
        self.elsewhere: list[Any] = []
        self.waits = self.uses = self.timeouts = 0
        self.seen = True
        self.alone = True

    def open(self) -> Counted:
        """A driver's connection that is remembered."""
        self.opened.append(Counted(":memory:"))
        return self.opened[-1]

    @rule()
    def check_out(self) -> None:
        """Ask for a connection, with or without success."""
        self.seen = True
        try:
            self.held.append(self.engine.pool.connect())
            self.waits += 1
        except exc.TimeoutError:
            self.timeouts += 1

    @precondition(lambda self: self.held)
    @rule(data=st.data(), end=st.sampled_from(["close", "invalidate", "soft", "detach", "lose"]))
    def end(self, data: st.DataObject, end: str) -> None:
        """Be done with a connection in one of the ways there are."""
        connection = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self.uses += end != "detach"
        if end == "invalidate":
            connection.invalidate()
        elif end == "detach":
            connection.detach()
            self.elsewhere.append(connection)
        elif end != "lose":
            if end == "soft":
                connection.invalidate(soft=True)
            connection.close()

    @rule(close=st.booleans())
    def dispose(self, close: bool) -> None:
        """Replace the pool; who has a connection of the old one keeps it."""
        self.alone = self.alone and close and not self.held
        self.engine.dispose(close=close)
        self.elsewhere += self.held
        self.held = []
        self.waits = self.uses = self.timeouts = 0
        self.seen = False

    @precondition(lambda self: self.elsewhere)
    @rule()
    def end_elsewhere(self) -> None:
        """Close a connection that is none of the pool's any more."""
        self.elsewhere.pop().close()

    @invariant()
    def told_as_it_is(self) -> None:
        """Active, idle and all counts."""
        if not hasattr(self, "watched"):
            return
        assert not self.watched.guard.failures
        if not self.seen:
            assert self.watched.told() == {}
            return
        told = self.watched.only()
        assert told["pending"] == 0
        assert told["active"] == len(self.held)
        assert (told["wait_time"], told["use_time"], told["timeouts"]) == (self.waits, self.uses, self.timeouts)
        if isinstance(self.engine.pool, QueuePool):
            assert told["active"] == self.engine.pool.checkedout()
        # The driver's idle connections are this pool's, unless there was another that may have kept some.
        assert told["idle"] == self.idle_at_the_driver() if self.alone else told["idle"] <= self.idle_at_the_driver()

    def idle_at_the_driver(self) -> int:
        """Connections that the driver has open and nobody holds."""
        held = {id(connection.dbapi_connection) for connection in (*self.held, *self.elsewhere)}
        return sum(connection in Counted.opened and id(connection) not in held for connection in self.opened)

    def teardown(self) -> None:
        """Give everything back."""
        gc.enable()
        for connection in (*getattr(self, "held", ()), *getattr(self, "elsewhere", ())):
            connection.close()


TestUse = Use.TestCase
TestUse.settings = settings(
    max_examples=50, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
