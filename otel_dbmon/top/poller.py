"""Asks a source again and again in a thread of its own, and hands on what it answers, or that it does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from otel_dbmon.querying.client import UnansweredError
from otel_dbmon.top.reading import Details, Query, Reading
from otel_dbmon.top.source import Source

#: Asking may take at most this share of a core: who tells much is asked less often.
_SHARE = 0.05
#: The first two readings are this close, so that there are rates soon.
_FIRST_PAUSE_S = 1.0


class Answer(NamedTuple):
    """What a source said.

    Attributes:
        reading: Everything, None if nobody answered.
        query: About which pattern ``details`` are.
        details: All about it, None if that was not asked or not answered.
        problem: Why nobody answered, "" if somebody did.
    """

    reading: Reading | None = None
    query: Query | None = None
    details: Details | None = None
    problem: str = ""


class Poller:
    """Asks a source.

    Args:
        source: Whom.
        interval_s: How often, in seconds.
        tell: Takes each answer, in the poller's thread.
    """

    def __init__(self, source: Source, interval_s: float, tell: Callable[[Answer], object]) -> None:
        self._source = source
        self._interval_s = interval_s
        self._tell = tell
        self._wake = threading.Event()
        self._stopped = False
        self._query: Query | None = None
        self._is_new = False

    def start(self) -> None:
        """Begin to ask."""
        # A daemon: whoever quits does not wait for an endpoint that does not answer.
        threading.Thread(target=self._run, name="otel-dbmon-top", daemon=True).start()

    def stop(self) -> None:
        """Ask no more."""
        self._stopped = True
        self._wake.set()

    def ask_about(self, query: Query | None) -> None:
        """Ask about this pattern now and with each reading, until told otherwise."""
        self._query, self._is_new = query, query is not None
        self._wake.set()

    def _run(self) -> None:
        answered = 0
        while not self._stopped:
            began = time.thread_time()
            answer = self._read()
            self._tell(answer)
            self._details()
            answered += answer.reading is not None
            pause = _FIRST_PAUSE_S if answered == 1 else self._interval_s
            self._sleep(max(min(pause, self._interval_s), (time.thread_time() - began) / _SHARE))

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopped and (left := until - time.monotonic()) > 0:
            self._wake.wait(left)
            self._wake.clear()
            if self._is_new:
                self._details()

    def _read(self) -> Answer:
        try:
            return Answer(self._source.read())
        except UnansweredError as error:
            return Answer(problem=str(error))
        except Exception as error:  # noqa: BLE001 - a strange page must not end the view; the next one may be better
            return Answer(problem=f"{self._source.name}: the answer cannot be read ({type(error).__name__})")

    def _details(self) -> None:
        query, self._is_new = self._query, False
        if query is None:
            return
        try:
            self._tell(Answer(query=query, details=self._source.details(query)))
        except UnansweredError as error:
            self._tell(Answer(query=query, problem=str(error)))
        except Exception as error:  # noqa: BLE001 - as above
            self._tell(Answer(query=query, problem=f"the answer cannot be read ({type(error).__name__})"))
