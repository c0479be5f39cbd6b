"""Keeps a traced driver silent about the statements that SQLAlchemy has a span for: one statement, one count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.instrumentation.utils import suppress_instrumentation
from sqlalchemy.engine import Dialect

#: Everything by which SQLAlchemy hands a statement to the driver; the execution context is the last argument.
_METHODS = ("do_execute", "do_executemany", "do_execute_no_params")
_traced_cursors: dict[type, bool] = {}


def silence_driver(dialect: Dialect) -> None:
    """Run this dialect's statements without the driver's own instrumentation.

    The dialect's methods are wrapped and not its events listened to: a listener that runs the statement itself would
    keep the application's own listeners from being asked.

    Args:
        dialect: The dialect of one engine; each engine has its own.
    """
    for name in _METHODS:
        setattr(dialect, name, _silenced(getattr(dialect, name)))


def _silenced(run: Callable[..., Any]) -> Callable[..., Any]:
    def run_silenced(cursor: Any, *args: Any) -> Any:
        # What SQLAlchemy runs without events (its first look at a server) has no span of its own: the driver's counts.
        if not _is_traced(type(cursor)) or getattr(args[-1], "_otel_span", None) is None:
            return run(cursor, *args)
        with suppress_instrumentation():
            return run(cursor, *args)

    return run_silenced


def _is_traced(kind: type) -> bool:
    known = _traced_cursors.get(kind)
    if known is None:
        # Instrumentations subclass or proxy the cursor; behind SQLAlchemy's adapters of async drivers we can't look.
        modules = ("opentelemetry.", "sqlalchemy.")
        known = _traced_cursors[kind] = any(base.__module__.startswith(modules) for base in kind.__mro__)
    return known
