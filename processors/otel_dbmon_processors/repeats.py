"""Takes the attributes of a statement's span and answers what was made of a span with the same ones before.

A service runs the same statements on the same connections over and over; what is found in their attributes and what
they become is the same each time. Only what comes twice is remembered, so texts with pasted literals don't crowd it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from otel_dbmon_processors.analysis import Analysis
from otel_dbmon_processors.observation import Origin

#: Longer statements are analysed each time: their analysis is remembered elsewhere, and a key holds the whole text.
_LONGEST_STATEMENT = 2048
_MAX_SEEN = 4096


class Rewritten(NamedTuple):
    """What was made of a span.

    Attributes:
        statement: Its statement.
        origin: Where that was sent.
        analysis: What its text says.
        name: The span's new name.
        attributes: Its new attributes, shared by all spans that get them.
    """

    statement: str
    origin: Origin
    analysis: Analysis
    name: str
    attributes: dict[str, Any]


class Repeats:
    """A bounded memory of rewritten spans, by their attributes' keys and values.

    Args:
        max_entries: When there are so many, all are forgotten.
    """

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._known: dict[tuple[Any, ...], Rewritten] = {}
        self._seen: set[int] = set()

    def find(self, attributes: Mapping[str, Any]) -> Rewritten | None:
        """What a span with these attributes became, if such a one came at least twice."""
        try:
            return self._known.get((*attributes, *attributes.values()))
        except TypeError:  # a value that can't be hashed
            return None

    def remember(self, attributes: Mapping[str, Any], rewritten: Rewritten) -> None:
        """Remember the span, if it came before."""
        if len(rewritten.statement) > _LONGEST_STATEMENT:
            return
        key = (*attributes, *attributes.values())
        try:
            mark = hash(key)
        except TypeError:
            return
        if mark in self._seen:
            if len(self._known) >= self._max_entries:
                self._known.clear()
            self._known[key] = rewritten
        else:
            if len(self._seen) >= _MAX_SEEN:
                self._seen.clear()
            self._seen.add(mark)
