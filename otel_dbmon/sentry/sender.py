"""Takes findings from the threads that ran the statements and hands them to Sentry in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from otel_dbmon.sentry.limits import Limits
from otel_dbmon_processors.guard import Guard

#: Findings that wait to be looked at; a thread that is held up by Sentry must not make the service keep more.
_MAX_WAITING = 2000


class Told(NamedTuple):
    """A finding on its way.

    Attributes:
        key: What it is one of: findings with the same key share an event.
        weight: Which of them the event is about: the greatest.
        finding: The finding itself.
        usage: The share of the pool's connections that was in use when it was found, "" if unknown.
    """

    key: Hashable
    weight: tuple[Any, ...]
    finding: Any
    usage: str


class Sender:
    """A bounded queue and the thread that empties it; the thread is there from the first finding on.

    :meth:`put` never blocks and never raises. After a fork the child has an empty queue and, once it finds something, a
    thread of its own. To ``Ending`` it is an outlet like those of the SDK.

    Args:
        limits: Makes the limits that hold; called again in each child.
        capture: Sends one, with how many others it stands for; may take its time.
        flush: Waits at most so many seconds for what was sent to leave the process.
        guard: Counts our failures, and findings that nobody is told of.
        timeout_s: Most seconds that the end may take.
    """

    def __init__(
        self,
        limits: Callable[[], Limits[Told]],
        capture: Callable[[Told, int], None],
        flush: Callable[[float], None],
        guard: Guard,
        timeout_s: float,
    ) -> None:
        self._make_limits = limits
        self._capture = capture
        self._flush = flush
        self._guard = guard
        self._timeout_s = timeout_s
        self.reset()

    def reset(self) -> None:
        """Begin anew, in a forked child."""
        self._queue: SimpleQueue[Told | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = False

    def put(self, told: Told) -> None:
        """Leave a finding here, and go on."""
        try:
            if self._ended or self._queue.qsize() >= _MAX_WAITING:
                self._guard.drop("sentry_events")
                return
            self._queue.put(told)
            if self._thread is None:
                self._start()
        except Exception as error:  # noqa: BLE001 - this is the thread that ran the statement
            self._guard.failed("sentry", error)

    @property
    def thread(self) -> threading.Thread | None:
        """Who sends; None while nobody has to, and after the end."""
        return self._thread

    @property
    def is_ending(self) -> bool:
        """Whether there is no time left to wait for anything."""
        return self._ended

    @property
    def exporter(self) -> None:
        """There is none that would have to be told to hurry: Sentry's client keeps to its time."""

    def finish(self) -> None:
        """Have the thread send what there is, and end."""
        self._ended = True
        self._queue.put(None)

    def finish_within(self, timeout_s: float) -> None:
        """The same, and wait for it so many seconds."""
        thread = self._thread
        if thread is not None:
            self.finish()
            thread.join(timeout_s)

    def close(self) -> None:
        """Nobody waits for the thread any more; it ends with the process."""
        self._thread = None

    def flush(self) -> None:
        """Nothing is sent early: findings are no less true later."""

    def _start(self) -> None:
        # Another thread may be doing it: then there is nothing left to do, so nobody waits.
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, args=(self._queue,), name="otel-dbmon-sentry", daemon=True)
                thread.start()
                self._thread = thread
        finally:
            self._lock.release()

    def _run(self, queue: SimpleQueue[Told | None]) -> None:
        limits = self._make_limits()
        while True:
            try:
                told = queue.get(timeout=limits.wait_s())
            except Empty:
                pass
            else:
                if told is None:
                    break
                limits.offer(told.key, told, told.weight)
                if not queue.empty():
                    continue
            for item, others in limits.due():
                self._send(item, others)
        self._send_rest(limits)

    def _send_rest(self, limits: Limits[Told]) -> None:
        deadline = time.monotonic() + self._timeout_s
        for item, others in limits.rest():
            self._send(item, others)
        self._guard.drop("sentry_events", limits.dropped)
        try:
            self._flush(max(deadline - time.monotonic(), 0.01))
        except Exception as error:  # noqa: BLE001 - the process is ending
            self._guard.failed("sentry", error)
        self._thread = None

    def _send(self, item: Told, others: int) -> None:
        try:
            self._capture(item, others)
        except Exception as error:  # noqa: BLE001 - the thread has to go on
            self._guard.failed("sentry", error)
