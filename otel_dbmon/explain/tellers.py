"""Counts the threads that tell somebody something just now, so that the end of a process can wait for them."""

from __future__ import annotations

import threading
from types import TracebackType


class Tellers:
    """The threads that are inside of ``with`` right now. They do not keep each other waiting."""

    def __init__(self) -> None:
        self._count = 0
        # Reentrant: a garbage collection inside may end a slow statement, which is told of at once.
        self._changed = threading.Condition(threading.RLock())

    def __enter__(self) -> None:
        with self._changed:
            self._count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait until nobody tells anything; whether that was so in time.

        Args:
            timeout_s: For how many seconds at most.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._count, timeout_s)
