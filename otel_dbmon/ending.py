"""Gets out of a process what it has not exported yet, in each way a Python process ends, and within a deadline."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol

from wrapt import register_post_import_hook

from otel_dbmon import exporting
from otel_dbmon_processors.guard import Guard

_logger = logging.getLogger("otel_dbmon")

#: Signals by which services are ended; without a handler they end a process on the spot.
_ENDING_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM") if hasattr(signal, name)
)
#: The part of the time that a process gets which counted nothing, and one which has forked: the master of a fork server
#: ends after its workers, and all together shall not take longer than anybody waits.
_IDLE_SHARE, _MASTERS_SHARE = 0.25, 0.5
_AFTER_ALL_OTHERS = -100


class Holding(Protocol):
    """Holds back what waits for something else; neither method waits for that, nor a second for anything."""

    def hurry(self) -> None:
        """Let go of all that is held back."""

    def finish(self) -> None:
        """The same, and hold back nothing any more."""


class Ending:
    """Knows the providers of the process and exports their last words, once. Never raises.

    Args:
        timeout_s: Most seconds that may take (``OTEL_DBMON_SHUTDOWN_TIMEOUT``); 0 leaves the end to the SDK.
        has_counted: Says whether this process has sent any statement.
        guard: Counts our failures.
    """

    def __init__(self, timeout_s: float, has_counted: Callable[[], bool], guard: Guard) -> None:
        self._timeout_s = timeout_s
        self._has_counted = has_counted
        self._guard = guard
        self._has_forked = False
        self._providers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._more: list[exporting.Outlet] = []
        self._holding: list[Holding] = []

    def watch(self, provider: object) -> None:
        """Learn of a provider."""
        self._providers.add(provider)

    def watch_outlet(self, outlet: exporting.Outlet) -> None:
        """Learn of something that sends in the background and belongs to no provider."""
        self._more.append(outlet)

    def watch_holding(self, holding: Holding) -> None:
        """Learn of something that holds back what is to be exported, until it is told not to."""
        self._holding.append(holding)

    def finish(self, *_: object, **__: object) -> None:
        """Export everything and end the exporting; a second call finds nothing to do."""
        try:
            for holding in self._holding:
                holding.finish()
            timeout_s = self._timeout_s * self._share()
            if not exporting.finish(self._outlets(), timeout_s):
                _logger.warning("not everything could be exported within %s s; the process ends without it", timeout_s)
        except Exception as error:  # noqa: BLE001 - the process is ending, and shall
            self._guard.failed("shutdown", error)

    def _share(self) -> float:
        if not self._has_counted():
            return _IDLE_SHARE
        return _MASTERS_SHARE if self._has_forked else 1.0

    def flush(self) -> None:
        """Export everything if there is anything of ours, and go on."""
        try:
            for holding in self._holding:
                holding.hurry()
            if self._has_counted():
                exporting.flush(self._outlets(), self._timeout_s)
        except Exception as error:  # noqa: BLE001 - see above
            self._guard.failed("flush", error)

    def _outlets(self) -> list[exporting.Outlet]:
        found = [outlet for provider in list(self._providers) for outlet in exporting.outlets_of(provider)]
        return [*found, *self._more]

    def install(self) -> None:
        """Be called in time, however the process ends."""
        if self._timeout_s <= 0:
            return
        # Handlers run in reverse order: the application's, which came later, may still send statements; the SDK's own
        # shutdown, which came earlier, finds its work done.
        atexit.register(self.finish)
        register_post_import_hook(self._at_end_of_children, "multiprocessing.util")
        register_post_import_hook(self._at_end_of_tasks, "celery.signals")
        self._before_deadly_signals()
        self._before_exec()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_parent=self._forked, after_in_child=self._is_new)

    def _forked(self) -> None:
        self._has_forked = True

    def _is_new(self) -> None:
        self._has_forked = False

    def _at_end_of_children(self, util: Any) -> None:
        """multiprocessing's children leave by ``os._exit``, after their finalizers."""

        def in_child(ending: Ending) -> None:
            util.Finalize(None, ending.finish, exitpriority=_AFTER_ALL_OTHERS)

        util.register_after_fork(self, in_child)

    def _at_end_of_tasks(self, signals: Any) -> None:
        """celery's pool processes leave by ``os._exit`` as well, but without finalizers."""
        signals.worker_process_shutdown.connect(self.finish, weak=False)

    def _before_deadly_signals(self) -> None:
        """uvicorn ends gracefully and then raises the signal that it was sent, without a handler."""
        raise_signal = signal.raise_signal

        @wraps(raise_signal)
        def finish_and_raise(signalnum: int, /) -> None:
            if signalnum in _ENDING_SIGNALS and signal.getsignal(signalnum) is signal.SIG_DFL:
                self.finish()
            raise_signal(signalnum)

        signal.raise_signal = finish_and_raise

    def _before_exec(self) -> None:
        """A script that migrates a database and then becomes the server; all of ``os.exec*`` go through these two."""
        for name in ("execv", "execve"):
            setattr(os, name, self._flushing(getattr(os, name)))

    def _flushing(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(execute)
        def flush_and_execute(path: Any, *arguments: Any, **keywords: Any) -> Any:
            # execvp tries every directory of PATH; and where there is nothing to execute, the process goes on.
            if os.path.exists(path):
                self.flush()
            return execute(path, *arguments, **keywords)

        return flush_and_execute
