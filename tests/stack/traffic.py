"""Visitors of a service, each in a thread of its own, until they are sent home."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable


class Visitors:
    """A context manager: as long as it is entered, somebody visits.

    Args:
        visit: One visit; is given its number, gives the status.
        count: How many visitors there are.
        pause: Seconds between two visits of each.

    Attributes:
        statuses: How often each status came back.
    """

    def __init__(self, visit: Callable[[int], int], count: int = 1, pause: float = 0.1) -> None:
        self.statuses: Counter[int] = Counter()
        self._visit, self._pause = visit, pause
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._home = threading.Event()
        self._threads = [threading.Thread(target=self._come, daemon=True) for _ in range(count)]

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Come no more, and wait for the last one."""
        self._home.set()
        for thread in self._threads:
            thread.join()

    def _come(self) -> None:
        while not self._home.wait(self._pause):
            status = self._visit(next(self._numbers))
            with self._lock:
                self.statuses[status] += 1
