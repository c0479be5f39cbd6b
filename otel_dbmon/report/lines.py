"""Takes spans as OTLP JSON lines; answers with the lines of code that something was found about, and how often."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from otel_dbmon.report.model import Place
from otel_dbmon_semconv import attributes as names

_KINDS = (("N+1", names.DBMON_N_PLUS_ONE), ("slow", names.DBMON_SLOW))


class UnreadableSpansError(Exception):
    """It is no file of spans; the message says which, and where."""


def places_in(spans: Path, services: tuple[str, ...] = ()) -> tuple[Place, ...]:
    """The lines, those that were found most often first.

    Args:
        spans: OTLP JSON lines, as the collector's file exporter and ``otel-dbmon demo`` write them.
        services: Whose; everybody's if empty.

    Raises:
        UnreadableSpansError: It cannot be read.
    """
    found: Counter[tuple[str, ...]] = Counter()
    try:
        with spans.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    found.update(_found_in(_parsed(line, spans, number), services))
    except (OSError, UnicodeDecodeError):
        raise UnreadableSpansError(f"{spans}: cannot be read as text") from None
    return tuple(
        Place(kind, service, summary, place, function, times)
        for (kind, service, summary, place, function), times in sorted(
            found.items(), key=lambda entry: (-entry[1], entry[0])
        )
    )


def _parsed(line: str, spans: Path, number: int) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise UnreadableSpansError(f"{spans}: line {number} is no OTLP JSON object")
    return parsed


def _found_in(request: dict[str, Any], services: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for resource in request.get("resourceSpans", ()):
        service = str(_attributes(resource.get("resource", {})).get(names.SERVICE_NAME, ""))
        if services and service not in services:
            continue
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                yield from _found_on(service, _attributes(span))


def _found_on(service: str, attributes: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    if names.CODE_FILE_PATH not in attributes:
        return
    place = f"{attributes[names.CODE_FILE_PATH]}:{attributes.get(names.CODE_LINE_NUMBER, '?')}"
    summary, function = (str(attributes.get(name, "")) for name in (names.DB_QUERY_SUMMARY, names.CODE_FUNCTION_NAME))
    for kind, name in _KINDS:
        if attributes.get(name) is True:
            yield kind, service, summary, place, function


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    """Attributes by name; a value is the only one of its ``{"stringValue": ..}``."""
    return {
        str(entry.get("key")): next(iter(entry.get("value", {}).values()), None)
        for entry in holder.get("attributes", ())
    }
