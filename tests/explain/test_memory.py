"""What is remembered of the plans of query patterns, and for how long."""

from __future__ import annotations

from otel_dbmon.explain.memory import Memory
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.plan import PendingPlan, Plan

SLOW, FAST = Plan("Seq Scan on t", "a" * 16, ("Seq Scan on t",)), Plan("Index Scan", "b" * 16, ("Index Scan",))


class Bench:
    """A memory, and the time it is."""

    def __init__(self) -> None:
        self.now, self.guard = 0.0, Guard()
        self.memory = Memory(300, self.guard, lambda: self.now)

    def look(self, key: str, plan: Plan, question: str = "") -> Plan | None:
        """Ask for a plan and get it; the one that it takes the place of."""
        assert self.memory.ask(key) is not None
        return self.memory.answered(key, question, plan)


def test_a_pattern_is_asked_for_once_in_an_interval() -> None:
    """In between there is what was asked for, be it answered or not."""
    bench = Bench()
    assert bench.memory.recall("p") is None
    pending = bench.memory.ask("p")
    assert bench.memory.recall("p") is pending
    bench.memory.answered("p", "", SLOW)
    bench.now = 299
    recalled = bench.memory.recall("p")
    assert recalled is not None
    assert recalled.plan is SLOW
    bench.now = 300
    assert bench.memory.recall("p") is None


def test_only_another_plan_takes_the_place_of_one() -> None:
    """The first one does not, nor does the same again, whatever it costs now."""
    bench = Bench()
    assert bench.look("p", SLOW) is None
    assert bench.look("p", SLOW._replace(cost=5.0, text="...")) is None
    assert bench.look("q", FAST) is None
    before = bench.look("p", FAST)
    assert before is not None
    assert before.hash == SLOW.hash
    assert bench.look("p", FAST) is None


def test_another_question_is_no_other_plan() -> None:
    """LIMIT 10 and LIMIT 10000 are one pattern: each has its plan, as long as there are not too many."""
    bench = Bench()
    assert bench.look("p", SLOW, "LIMIT 10000") is None
    assert bench.look("p", FAST, "LIMIT 10") is None
    assert bench.look("p", SLOW, "LIMIT 10000") is None
    assert bench.look("p", SLOW, "LIMIT 10") is FAST
    for number in range(4):
        bench.look("p", FAST, str(number))
    assert bench.look("p", FAST, "LIMIT 10000") is None


def test_the_longest_unasked_pattern_is_forgotten() -> None:
    """There are 256 at most; who is forgotten is counted, and an answer that comes for one is no change."""
    bench = Bench()
    for number in range(256):
        bench.now += 60
        bench.look(str(number), SLOW)
    bench.now += 60
    bench.look("0", SLOW)
    bench.look("new", SLOW)
    assert bench.guard.dropped["plans"] == 1
    assert bench.memory.answered("1", "", FAST) is None
    assert bench.look("0", FAST) is not None


def test_a_minute_has_its_limit() -> None:
    """And the next one has it anew."""
    bench = Bench()
    assert [bench.memory.ask(str(number)) is not None for number in range(31)] == [True] * 30 + [False]
    bench.now = 60
    assert bench.memory.ask("31") is not None


def test_a_plan_is_settled_once() -> None:
    """Whoever waits for it is told then, whoever comes later at once."""
    pending, told = PendingPlan(), []
    pending.then(lambda: told.append(pending.plan))
    pending.wait(0.01)
    assert told == []
    pending.settle(SLOW)
    pending.settle(None, "too_late")
    pending.then(lambda: told.append(pending.plan))
    assert told == [SLOW, SLOW]
    assert pending.missing == ""
