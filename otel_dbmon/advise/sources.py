"""Where a workload comes from: a file of statements, ``pg_stat_statements``, or our own metrics in Prometheus."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import TokenType
from sqlglot.errors import SqlglotError

from otel_dbmon.advise.model import AdviceError, Unanalysed
from otel_dbmon.advise.workload import Sighting
from otel_dbmon.querying.client import UnansweredError
from otel_dbmon_processors.analysis import analyze
from otel_dbmon_semconv import metrics as names

if TYPE_CHECKING:
    import psycopg

    from otel_dbmon.querying.prometheus import Prometheus

_TEXT_KEYS = ("sql", "query", "statement", "db.query.text")
_MAX_FILE = 64 << 20
_CALLS = names.DATABASE_QUERY_PATTERN_CALLS.prometheus_name
_SECONDS = names.DATABASE_QUERY_PATTERN_DURATION.prometheus_name
#: Our own questions, and what is no statement of anybody's application.
_STATEMENTS = """
SELECT s.query, s.calls::float8, s.{time}::float8, s.rows::float8
FROM {schema}.pg_stat_statements s
WHERE s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
    AND s.query !~* '^\\s*(explain|prepare|execute|deallocate|set|show|begin|commit|rollback|savepoint|release)\\M'
    AND s.query !~* '\\m(pg_(catalog|stat_|stats|class|index|attribute)|hypopg_)'
"""


def from_file(path: str, text: str, dialect: str) -> list[Sighting]:
    """The statements of a file.

    Args:
        path: What to call it in a message.
        text: Either SQL, each statement ended by a semicolon, or JSON lines like ``{"sql": .., "calls": ..,
            "total_ms": .., "rows": .., "service": ..}``.
        dialect: Whose SQL it is, as sqlglot calls it.

    Raises:
        AdviceError: It is neither.
    """
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return list(_json_lines(path, text.lstrip("\ufeff")))
    try:
        tokens = sqlglot.tokenize(text, read=dialect)
    except SqlglotError:
        raise AdviceError(f"{path}: no SQL that can be read; is a quote left open?") from None
    sightings, start, last = [], 0, -1
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            if last >= start:
                sightings.append(Sighting(text[start : last + 1].strip()))
            start = token.end + 1
        else:
            last = token.end
    if last >= start:
        sightings.append(Sighting(text[start : last + 1].strip()))
    return sightings


def read_text(path: Path) -> str:
    """The text of a file of statements, or of standard input if it is called ``-``.

    Raises:
        AdviceError: It cannot be read, or is too long.
    """
    if str(path) == "-":
        return sys.stdin.buffer.read(_MAX_FILE).decode("utf-8-sig", "replace")
    try:
        if path.stat().st_size > _MAX_FILE:
            raise AdviceError(f"{path}: more than {_MAX_FILE >> 20} MiB")
        return path.read_text("utf-8-sig", "replace")
    except OSError as error:
        raise AdviceError(f"{path}: {error.strerror}") from None


def _json_lines(path: str, text: str) -> Iterator[Sighting]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            raise AdviceError(f"{path}: line {number} is not JSON") from None
        statement = next((entry[key] for key in _TEXT_KEYS if key in entry), None) if isinstance(entry, dict) else None
        if not isinstance(statement, str):
            raise AdviceError(f'{path}: line {number} holds no statement: expected {{"sql": "...", "calls": 1}}')
        calls = _figure(path, number, entry, "calls")
        service = entry.get("service")
        yield Sighting(
            statement,
            1.0 if calls is None else calls,
            _figure(path, number, entry, "total_ms"),
            _figure(path, number, entry, "rows"),
            (service,) if isinstance(service, str) else (),
        )


def _figure(path: str, number: int, entry: Mapping[str, Any], key: str) -> float | None:
    value = entry.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise AdviceError(f'{path}: line {number}: "{key}" is no number of 0 or more')
    return float(value)


def from_pg_stat_statements(connection: psycopg.Connection[Any]) -> list[Sighting]:
    """What ``pg_stat_statements`` knows of the database.

    Raises:
        AdviceError: The extension is missing, or hides what other roles sent.
    """
    import psycopg

    from otel_dbmon.advise.postgres import questions, said

    with questions(connection) as cursor:
        row = cursor.execute(
            "SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension e"
            " JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'"
        ).fetchone()
        if row is None:
            raise AdviceError(
                "pg_stat_statements is not installed in this database: CREATE EXTENSION pg_stat_statements; with"
                " shared_preload_libraries = 'pg_stat_statements'. Or give a file of statements with --file."
            )
        # The column's name since PostgreSQL 13.
        time = "total_exec_time" if connection.info.server_version >= 130000 else "total_time"
        try:
            rows = cursor.execute(_STATEMENTS.format(schema=row[0], time=time).encode()).fetchall()
        except psycopg.Error as error:
            raise AdviceError(f"pg_stat_statements: {said(error)}") from None
    seen = [Sighting(*row) for row in rows if row[0] != "<insufficient privilege>"]
    if len(seen) < len(rows) and len(seen) * 2 < len(rows):
        raise AdviceError("this role may not see what other roles sent. Grant it: GRANT pg_read_all_stats TO the role;")
    return seen


def from_prometheus(
    prometheus: Prometheus, period: str, texts: list[Sighting], dialect: str
) -> tuple[list[Sighting], list[Unanalysed]]:
    """The costliest patterns that our metrics tell of. They hold no text: that is found by its fingerprint.

    Args:
        prometheus: The server that has them.
        period: Over how long, as PromQL writes it.
        texts: Statements from elsewhere, with their text.
        dialect: Whose SQL they are.

    Returns:
        The patterns whose text is known, and those whose text is not.

    Raises:
        AdviceError: The server does not answer, or knows of no pattern.
    """
    try:
        calls = _increase(prometheus, _CALLS, period)
        seconds = _increase(prometheus, _SECONDS, period)
    except UnansweredError as error:
        raise AdviceError(f"Prometheus: {error}") from None
    if not calls:
        raise AdviceError(f"Prometheus knows nothing of {_CALLS} in the last {period}")
    system = {"postgres": "postgresql"}.get(dialect, dialect)
    known = {analyze(found.text, system).fingerprint: found for found in texts}
    sightings, unknown = [], {}
    for (service, fingerprint, summary), count in calls.items():
        found = known.get(fingerprint)
        if found is None:
            if fingerprint:
                unknown[fingerprint] = Unanalysed(
                    summary, fingerprint, "its text is not known: it is neither in pg_stat_statements nor in a file"
                )
            continue
        rows = None if not found.rows or not found.calls else found.rows / found.calls * count
        total = seconds.get((service, fingerprint, summary), 0.0) * 1000
        sightings.append(Sighting(found.text, count, total, rows, (service,)))
    return sightings, list(unknown.values())


def _increase(prometheus: Prometheus, metric: str, period: str) -> dict[tuple[str, str, str], float]:
    query = f"sum by (service, fingerprint, summary) (increase({metric}[{period}])) > 0"
    found = {}
    for labels, value in prometheus.instant(query):
        key = (labels.get("service", ""), labels.get("fingerprint", ""), labels.get("summary", ""))
        found[key] = value
    return found
