"""Takes slow statements from the threads that ran them, asks their database for plans in a thread of its own, and tells
of a plan that has changed. Everything is bounded: statements that wait, patterns remembered, connections (one).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue

from opentelemetry.instrumentation.utils import suppress_instrumentation

from otel_dbmon.explain.asking import Door, NoPlanError
from otel_dbmon.explain.memory import Memory
from otel_dbmon.explain.reading import template_of
from otel_dbmon.explain.sender import Address, address_of_sender
from otel_dbmon.explain.tellers import Tellers
from otel_dbmon.explain.template import Template, TemplateError, dollar
from otel_dbmon.explain.tree import change_of
from otel_dbmon.fork import run_in_forked_children
from otel_dbmon_processors.finding import PLAN_CHANGED, Finding
from otel_dbmon_processors.pipeline import Pipeline
from otel_dbmon_processors.plan import PendingPlan, Plan

_MAX_WAITING = 16
#: How long a finding waits for its plan, and how long the connection is kept without a question.
_PATIENCE_S, _IDLE_S = 2.0, 5.0
#: How long the end of the process, or a flush, waits for threads that are telling somebody just now. Telling is putting
#: something into a queue; what is not told by then is lost.
_TELLING_S = 0.5
#: For how long a database that could not be reached is not asked again.
_REST_S = 60.0
_MAX_RESTING = 64
#: Of ``analysis.operation``; what is a plain statement in the end is seen by its text.
_PLAIN = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES"})
_SYSTEMS = {"postgresql": "postgresql", "sqlite": "sqlite"}

#: Connections that a forked child shares with its parent: whoever closes one there ends it here.
_parents_doors: list[Door] = []


@dataclass(frozen=True)
class _Question:
    """A slow statement that waits for its plan. Its text may hold values: it goes nowhere but to a template."""

    key: object
    finding: Finding
    statement: str = field(repr=False)
    address: Address = field(repr=False)
    pending: PendingPlan
    timer: threading.Timer


class Explainer:
    """Asks for the plans of slow statements. Nothing here raises into the application or makes it wait.

    Args:
        pipeline: Whose slow statements it learns of, and by which it tells of changed plans.
        interval_s: Least seconds between two looks at the plan of one query pattern.
    """

    def __init__(self, pipeline: Pipeline, interval_s: float) -> None:
        self._pipeline = pipeline
        self._guard = pipeline.guard
        self._interval_s = interval_s
        self._with_conditions = pipeline.config.query_text
        self._door: Door | None = None
        self.reset()
        run_in_forked_children(self.reset)
        pipeline.explain = self.plan_for

    def reset(self) -> None:
        """Begin anew, in a forked child: its parent's connection and questions are its parent's."""
        if self._door is not None:
            _parents_doors.append(self._door)
        self._door = None
        self._address: Address | None = None
        # Reentrant: a garbage collection inside may end another slow statement.
        self._lock = threading.RLock()
        self._tellers = Tellers()
        self._memory = Memory(self._interval_s, self._guard)
        self._queue: SimpleQueue[_Question | None] = SimpleQueue()
        self._waiting: dict[int, _Question] = {}
        self._resting: dict[Address, float] = {}
        self._thread: threading.Thread | None = None
        self._ended = False

    def plan_for(self, finding: Finding, statement: str) -> PendingPlan:
        """The plan of a slow statement, for its finding; called by the thread that ran it, while its span ends.

        Args:
            finding: What is told of it.
            statement: Its whole text; "" if that is not known.
        """
        analysis, origin = finding.analysis, finding.origin
        if not statement or analysis.operation not in _PLAIN:
            return PendingPlan.settled(None, "not_plain")
        key = (analysis.fingerprint, origin)
        with self._lock:
            known = self._memory.recall(key)
        if known is not None:
            return known
        address = address_of_sender() if origin.system in _SYSTEMS else None
        if address is None:
            return PendingPlan.settled(None, "unsupported")
        return self._ask(key, finding, statement, address)

    def _ask(self, key: object, finding: Finding, statement: str, address: Address) -> PendingPlan:
        with self._lock:
            known = self._memory.recall(key)
            if known is not None:
                return known
            is_full = self._ended or self._queue.qsize() >= _MAX_WAITING
            pending = None if is_full else self._memory.ask(key)
            if pending is None:
                self._guard.drop("explains")
                return PendingPlan.settled(None, "busy")
            # Whatever keeps the thread, a finding does not wait longer than this.
            timer = threading.Timer(_PATIENCE_S, self._give_up, (pending,))
            timer.daemon = True
            question = _Question(key, finding, statement, address, pending, timer)
            self._waiting[id(question)] = question
            self._queue.put(question)
        self._start(timer, pending)
        return pending

    def _start(self, timer: threading.Timer, pending: PendingPlan) -> None:
        try:
            timer.start()
            with self._lock:
                self._start_asking()
        except RuntimeError as error:
            # No thread can be started: the interpreter is ending, or there are too many.
            self._guard.failed("explain", error)
            pending.settle(None, "failed")

    def _start_asking(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, args=(self._queue,), name="otel-dbmon-explain", daemon=True)
            thread.start()
            self._thread = thread

    def _give_up(self, pending: PendingPlan) -> None:
        with self._tellers:
            pending.settle(None, "too_late")

    def hurry(self) -> None:
        """Let nobody wait any more: what has no plan yet is told without, what is being told is told to the end."""
        for question in list(self._waiting.values()):
            question.timer.cancel()
            question.pending.settle(None, "too_late")
        self._tellers.wait(_TELLING_S)

    def finish(self) -> None:
        """The process is about to end: nothing is asked any more, and nobody waits for the thread."""
        self._ended = True
        self.hurry()
        self._queue.put(None)

    def _run(self, queue: SimpleQueue[_Question | None]) -> None:
        while True:
            try:
                question = queue.get(timeout=_IDLE_S if self._door is not None else None)
            except Empty:
                self._close()
                continue
            if question is None:
                self._close()
                return
            self._answer(question)

    def _answer(self, question: _Question) -> None:
        plan, missing, text = None, "", ""
        try:
            template = template_of(question.statement, _SYSTEMS[question.finding.origin.system])
            text = template.text(dollar)
            # What we send is no statement of the application's.
            with suppress_instrumentation():
                plan = self._plan(question, template)
        except (TemplateError, NoPlanError) as error:
            missing = error.missing if isinstance(error, NoPlanError) else "not_plain"
            self._guard.drop("plans_missing")
        except Exception as error:  # noqa: BLE001 - the thread has to go on
            missing = "failed"
            self._guard.failed("explain", error)
            self._close()
        try:
            with self._tellers:
                self._tell(question, text, plan, missing)
        except Exception as error:  # noqa: BLE001 - see above
            self._guard.failed("explain", error)
        finally:
            self._waiting.pop(id(question), None)

    def _plan(self, question: _Question, template: Template) -> Plan:
        door = self._door_to(question.address)
        try:
            return door.plan(template)
        except NoPlanError as error:
            if error.is_over:
                self._close()
            raise

    def _door_to(self, address: Address) -> Door:
        if self._door is not None and self._address == address:
            return self._door
        self._close()
        now = time.monotonic()
        if now < self._resting.get(address, 0.0):
            raise NoPlanError("unreachable")
        try:
            self._door, self._address = _opener_of(address)(address, self._with_conditions), address
        except NoPlanError:
            if len(self._resting) >= _MAX_RESTING:
                self._resting.clear()
            self._resting[address] = now + _REST_S
            raise
        return self._door

    def _close(self) -> None:
        door, self._door, self._address = self._door, None, None
        if door is not None:
            door.close()

    def _tell(self, question: _Question, text: str, plan: Plan | None, missing: str) -> None:
        before = None
        if plan is not None:
            with self._lock:
                before = self._memory.answered(question.key, text, plan)
            self._pipeline.aggregator.count_plan(question.finding.analysis.table, has_changed=before is not None)
        question.timer.cancel()
        question.pending.settle(plan, missing)
        if plan is None or before is None:
            return
        self._pipeline.tell(
            replace(
                question.finding,
                kind=PLAN_CHANGED,
                plan=PendingPlan.settled(plan),
                before=before,
                change=change_of(before, plan),
            )
        )


def _opener_of(address: Address) -> Callable[[Address, bool], Door]:
    # Drivers are imported where the application has done so.
    if address.driver == "sqlite3":
        from otel_dbmon.explain import sqlite

        return sqlite.open_door
    if address.driver == "asyncpg":
        from otel_dbmon.explain import asyncpg

        return asyncpg.open_door
    from otel_dbmon.explain import postgres

    return postgres.open_door
