"""What every source answers with: all that is known of services and their queries at one moment, as rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

#: The kind of finding that an alert of Prometheus is.
ALERT = "alert"


class Query(NamedTuple):
    """One query pattern of one service, over the period of a reading.

    Attributes:
        service: Who sends it.
        fingerprint: Its pattern's name; "" for all patterns that have no series of their own.
        summary: Operations and targets, as written.
        calls: Calls per second.
        seconds: Seconds of run time per second.
        errors: Failed calls per second; NaN if unknown.
        p50: Seconds that half of the calls did not exceed; NaN if unknown.
        p95: Likewise, of 95 %.
        is_shared: Whether errors and percentiles are those of all patterns of this summary.
        finest: Seconds; what percentiles below it are is not known, 0 if unknown.
    """

    service: str
    fingerprint: str
    summary: str
    calls: float
    seconds: float
    errors: float
    p50: float
    p95: float
    is_shared: bool = False
    finest: float = 0.0

    @property
    def mean(self) -> float:
        """Seconds per call; 0 where there were none."""
        return self.seconds / self.calls if self.calls > 0 else 0.0

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is known by from one reading to the next."""
        return self.service, self.fingerprint, self.summary


class Totals(NamedTuple):
    """All statements together; per second, except for the percentiles, which are in seconds or NaN, as of a query."""

    calls: float
    seconds: float
    p50: float
    p95: float
    slow: float
    n_plus_one: float
    errors: Mapping[str, float]
    finest: float = 0.0


class Pool(NamedTuple):
    """A connection pool right now, and how many requests got no connection, per second."""

    service: str
    database: str
    name: str
    active: float
    idle: float
    most: float
    pending: float
    timeouts: float


class Found(NamedTuple):
    """A finding.

    Attributes:
        at: When it was made last, in seconds since 1970; 0 if unknown.
        kind: Of what kind: one of ``otel_dbmon_processors.finding.KINDS``, or ``ALERT``.
        message: One line about it.
        fingerprint: The pattern that it is about, "" if none.
        times: How often it was made.
        place: The line of code, ``shop/orders.py:12``, "" if unknown.
        function: The function there.
        is_alert: Whether somebody should be told.
    """

    at: float
    kind: str
    message: str
    fingerprint: str = ""
    times: int = 1
    place: str = ""
    function: str = ""
    is_alert: bool = True


class Reading(NamedTuple):
    """Everything at one moment.

    Attributes:
        at: When, in seconds since 1970.
        period: Over how many seconds rates are; 0 if there are none yet.
        queries: All known patterns, in no order.
        totals: All statements.
        pools: All pools.
        found: Findings, newest first.
        notes: What a person should know about where this comes from.
    """

    at: float
    period: float
    queries: tuple[Query, ...]
    totals: Totals
    pools: tuple[Pool, ...] = ()
    found: tuple[Found, ...] = ()
    notes: tuple[str, ...] = ()


class Details(NamedTuple):
    """All about one pattern.

    Attributes:
        text: The sanitized statement; "" if unknown.
        facts: Names and values: type, complexity, tables.
        analysis: What it is, in plain words.
        advice: What to do about it, a paragraph each.
        found: Where it was found to be slow or repeated.
        trend: Calls per second over the last while, oldest first, by service.
        note: Why something is missing, and where it can be had.
    """

    text: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    analysis: str = ""
    advice: tuple[str, ...] = ()
    found: tuple[Found, ...] = ()
    trend: Mapping[str, tuple[float, ...]] = {}
    note: str = ""
