"""Remembers the newest readings of each query, for sparklines; bounded in length and in how many are known."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from otel_dbmon.top.reading import Query, Reading

#: How many readings are remembered, and of how many queries.
LENGTH = 120
_MOST_QUERIES = 2000

_Key = tuple[str, str, str]


class Moment(NamedTuple):
    """A query in one reading; calls and errors per second, times in seconds."""

    calls: float
    mean: float
    p50: float
    p95: float
    errors: float


_NOTHING = Moment(0.0, math.nan, math.nan, math.nan, 0.0)


class History:
    """What the newest readings said."""

    def __init__(self) -> None:
        self._moments: dict[_Key, deque[Moment]] = {}
        self.calls: deque[float] = deque(maxlen=LENGTH)
        self.p95: deque[float] = deque(maxlen=LENGTH)

    def add(self, reading: Reading) -> None:
        """Remember a reading; one without rates is none."""
        if not reading.period:
            return
        self.calls.append(reading.totals.calls)
        self.p95.append(reading.totals.p95)
        present = {query.key: query for query in reading.queries}
        for key in (*self._moments, *(key for key in present if key not in self._moments)):
            query = present.get(key)
            moments = self._moments.setdefault(key, deque(maxlen=LENGTH))
            moments.append(_NOTHING if query is None else _moment(query))
        if len(self._moments) > _MOST_QUERIES:
            self._moments = {key: self._moments[key] for key in [*present][:_MOST_QUERIES]}

    def of(self, query: Query) -> Sequence[Moment]:
        """The moments of a query, oldest first."""
        return self._moments.get(query.key, ())


def _moment(query: Query) -> Moment:
    return Moment(query.calls, query.mean if query.calls else math.nan, query.p50, query.p95, query.errors)
