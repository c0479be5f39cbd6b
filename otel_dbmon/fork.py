"""Runs a method in every forked child for as long as the method's owner lives."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable


def run_in_forked_children(method: Callable[[], None]) -> None:
    """Register a bound method with ``os.register_at_fork``, which itself would keep its owner alive for ever.

    Args:
        method: Called in the child before anything else runs there; it must neither raise nor block.
    """
    reference = weakref.WeakMethod(method)

    def call() -> None:
        alive = reference()
        if alive is not None:
            alive()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=call)
