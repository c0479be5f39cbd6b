"""Texts with figures come in, one entry a pattern goes out: the workload, worst first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from otel_dbmon.advise.model import Statement
from otel_dbmon_processors.analysis import analyze

_SYSTEMS = {"postgres": "postgresql", "mysql": "mysql", "sqlite": "sqlite"}


@dataclass(frozen=True)
class Sighting:
    """One statement as a source tells of it.

    Attributes:
        text: Its text.
        calls: How often it ran.
        total_ms: How long all calls took; None if unknown.
        rows: How many rows all calls returned or changed; None if unknown.
        services: Who sent it.
    """

    text: str = field(repr=False)
    calls: float = 1.0
    total_ms: float | None = None
    rows: float | None = None
    services: tuple[str, ...] = ()


def workload_of(sightings: Iterable[Sighting], dialect: str) -> list[Statement]:
    """All patterns, those that took longest first; where times are unknown, those that ran most often.

    Args:
        sightings: What a source found.
        dialect: Whose SQL it is, as sqlglot calls it.
    """
    patterns: dict[str, Statement] = {}
    for sighting in sightings:
        statement = _statement(sighting, dialect)
        known = patterns.get(statement.fingerprint)
        patterns[statement.fingerprint] = statement if known is None else known.plus(statement)
    return sorted(patterns.values(), key=lambda found: (-(found.total_ms or 0.0), -found.calls, found.fingerprint))


def _statement(sighting: Sighting, dialect: str) -> Statement:
    analysis = analyze(sighting.text, _SYSTEMS[dialect])
    return Statement(
        sighting.text,
        analysis.sanitized,
        analysis.fingerprint,
        analysis.operation,
        analysis.collections,
        max(sighting.calls, 0.0),
        sighting.total_ms,
        sighting.rows,
        sighting.services,
    )
