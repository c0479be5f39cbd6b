"""Fills the gaps of contrib's instrumentations, library by library, once these have run."""

from __future__ import annotations

import sys

from otel_dbmon.runtime import Runtime


def complete(runtime: Runtime) -> None:
    """Complete the instrumentation of every library that the process has loaded.

    Args:
        runtime: Whose guard counts what fails and whose pools learn of new engines.
    """
    if "sqlalchemy" in sys.modules:
        from otel_dbmon.instrumentation import sqlalchemy

        sqlalchemy.complete(runtime.guard, runtime.pools)
