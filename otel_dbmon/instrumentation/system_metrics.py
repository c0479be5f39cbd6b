"""Lets a forked child report its own CPU and memory: contrib's callbacks ask about the process they were made in."""

from __future__ import annotations

import os

from opentelemetry.instrumentation.system_metrics import SystemMetricsInstrumentor

from otel_dbmon_processors.guard import Guard

_completed = False


def complete(guard: Guard) -> None:
    """See to it that every child forked from now on looks at itself.

    Args:
        guard: Counts our failures.
    """
    global _completed
    if _completed or not hasattr(os, "register_at_fork"):
        return
    _completed = True
    instrumentor = SystemMetricsInstrumentor()

    def look_at_child() -> None:
        try:
            # psutil's own class, which without an argument stands for the process that asks.
            instrumentor._proc = type(instrumentor._proc)()
        except Exception as error:  # noqa: BLE001 - the child must get on
            guard.failed("system metrics", error)

    os.register_at_fork(after_in_child=look_at_child)
