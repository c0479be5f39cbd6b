"""Fills the gaps of contrib's instrumentations, library by library, once these have run."""

from __future__ import annotations

import sys

from otel_dbmon.runtime import Runtime

_CONTRIB = "opentelemetry.instrumentation."


def complete(runtime: Runtime) -> None:
    """Complete the instrumentation of every library that the process has loaded.

    Args:
        runtime: Whose pipeline counts what fails and whose pools learn of new engines.
    """
    if "sqlalchemy" in sys.modules:
        from otel_dbmon.instrumentation import sqlalchemy

        sqlalchemy.complete(runtime.pipeline, runtime.pools)
    if _CONTRIB + "dbapi" in sys.modules:
        from otel_dbmon.instrumentation import dbapi

        dbapi.complete(runtime.pipeline)
    if _is_instrumented("psycopg", "PsycopgInstrumentor"):
        from otel_dbmon.instrumentation import psycopg

        psycopg.complete(runtime.pipeline)
        runtime.pools.await_psycopg_pool()
    if _is_instrumented("psycopg2", "Psycopg2Instrumentor"):
        from otel_dbmon.instrumentation import psycopg2

        psycopg2.complete(runtime.pipeline)
    if _is_instrumented("sqlite3", "SQLite3Instrumentor"):
        from otel_dbmon.instrumentation import sqlite3

        sqlite3.complete()
    if _is_instrumented("asyncpg", "AsyncPGInstrumentor"):
        from otel_dbmon.instrumentation import asyncpg

        asyncpg.complete(runtime.pipeline)
    if _CONTRIB + "system_metrics" in sys.modules:
        from otel_dbmon.instrumentation import system_metrics

        system_metrics.complete(runtime.guard)


def _is_instrumented(library: str, instrumentor: str) -> bool:
    """Whether contrib has instrumented a library; where it has not, the user may not want it."""
    module = sys.modules.get(_CONTRIB + library)
    if library not in sys.modules or module is None:
        return False
    return bool(getattr(module, instrumentor)().is_instrumented_by_opentelemetry)
