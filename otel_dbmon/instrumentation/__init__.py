"""Fills the gaps of contrib's instrumentations, library by library, once these have run."""

from __future__ import annotations

import sys
from collections.abc import Callable

from wrapt import register_post_import_hook

from otel_dbmon.runtime import Runtime

_CONTRIB = "opentelemetry.instrumentation."


def complete(runtime: Runtime) -> None:
    """Complete the instrumentation of every library; what fails with one is counted and does not keep it from others.

    Args:
        runtime: Whose pipeline counts what fails and whose pools learn of new engines.
    """
    # contrib refuses SQLAlchemy 2.1 without importing it: then it may come later than the launcher, or never.
    register_post_import_hook(lambda _: _try(_sqlalchemy, runtime), "sqlalchemy")
    for complete_library in (_dbapi, _psycopg, _psycopg2, _sqlite3, _asyncpg, _system_metrics):
        _try(complete_library, runtime)


def _try(complete_library: Callable[[Runtime], None], runtime: Runtime) -> None:
    try:
        complete_library(runtime)
    except Exception as error:  # noqa: BLE001 - the application may be importing the library right now
        runtime.guard.failed(complete_library.__name__.lstrip("_"), error)


def _sqlalchemy(runtime: Runtime) -> None:
    from otel_dbmon.instrumentation import sqlalchemy

    sqlalchemy.complete(runtime.pipeline, runtime.pools)


def _dbapi(runtime: Runtime) -> None:
    if _CONTRIB + "dbapi" in sys.modules:
        from otel_dbmon.instrumentation import dbapi

        dbapi.complete(runtime.pipeline)


def _psycopg(runtime: Runtime) -> None:
    if _is_instrumented("psycopg", "PsycopgInstrumentor"):
        from otel_dbmon.instrumentation import psycopg

        psycopg.complete(runtime.pipeline)
        runtime.pools.await_psycopg_pool()


def _psycopg2(runtime: Runtime) -> None:
    if _is_instrumented("psycopg2", "Psycopg2Instrumentor"):
        from otel_dbmon.instrumentation import psycopg2

        psycopg2.complete(runtime.pipeline)


def _sqlite3(_: Runtime) -> None:
    if _is_instrumented("sqlite3", "SQLite3Instrumentor"):
        from otel_dbmon.instrumentation import sqlite3

        sqlite3.complete()


def _asyncpg(runtime: Runtime) -> None:
    if _is_instrumented("asyncpg", "AsyncPGInstrumentor"):
        from otel_dbmon.instrumentation import asyncpg

        asyncpg.complete(runtime.pipeline)


def _system_metrics(runtime: Runtime) -> None:
    if _CONTRIB + "system_metrics" in sys.modules:
        from otel_dbmon.instrumentation import system_metrics

        system_metrics.complete(runtime.guard)


def _is_instrumented(library: str, instrumentor: str) -> bool:
    """Whether contrib has instrumented a library; where it has not, the user may not want it."""
    module = sys.modules.get(_CONTRIB + library)
    if library not in sys.modules or module is None:
        return False
    return bool(getattr(module, instrumentor)().is_instrumented_by_opentelemetry)
