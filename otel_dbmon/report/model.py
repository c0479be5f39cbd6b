"""What a report says, as plain data: every number of the page, of Markdown and of JSON is one of these."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from otel_dbmon.report.period import Period


@dataclass(frozen=True)
class Amount:
    """A number in the period, and in the one before.

    Attributes:
        now: In the period; None where nothing happened that it could be of.
        before: In the period before; None where that is not known.
    """

    now: float | None
    before: float | None = None

    @property
    def change(self) -> float | None:
        """By which share it grew; None where there is nothing to compare with."""
        if self.now is None or not self.before:
            return None
        return self.now / self.before - 1


#: With less of the period before, its sums would be too low to be compared with.
ENOUGH_BEFORE = 0.9
#: Of something that nothing is known of in either period.
NOTHING_KNOWN = Amount(None)


def over(part: Amount, whole: Amount) -> Amount:
    """One amount for each of another, where there is another."""
    return Amount(_over(part.now, whole.now), _over(part.before, whole.before))


def _over(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def of(value: float) -> float | None:
    """A number that JSON can hold: PromQL's NaN and infinities are None."""
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Curve:
    """A number over time.

    Attributes:
        label: Whose.
        now: One value for each window of the period; None where there is none.
        before: The same for the period before.
    """

    label: str
    now: tuple[float | None, ...]
    before: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Service:
    """What one service's statements did; seconds are of the database."""

    service: str
    statements: Amount
    seconds: Amount
    p95_s: Amount
    errors: Amount
    slow: Amount
    n_plus_one: Amount


@dataclass(frozen=True)
class Pattern:
    """All statements of one shape in one service; an empty fingerprint stands for those that got no series."""

    service: str
    fingerprint: str
    summary: str
    calls: Amount
    seconds: Amount


@dataclass(frozen=True)
class Slow:
    """Statements of one kind that took at least the service's threshold."""

    service: str
    operation: str
    table: str
    count: Amount


@dataclass(frozen=True)
class TableUse:
    """What one service does with one table."""

    service: str
    table: str
    calls: Amount
    seconds: Amount
    p95_s: Amount


@dataclass(frozen=True)
class ErrorKind:
    """Failures of one kind."""

    service: str
    operation: str
    error_type: str
    count: Amount


@dataclass(frozen=True)
class Forecast:
    """Where a pool's peaks lead.

    Attributes:
        verdict: ``full``, ``grows``, ``steady``, ``shrinks`` or ``unknown``.
        slope_per_day: Share of the pool by which its peak grows in a day, by Theil and Sen; None where unknown.
        exhausted_in_s: When it will be full if it goes on like that, in seconds from the end of the period.
        earliest_s: The same with the steepest slope that is still credible (95 %).
        latest_s: The same with the flattest one; None where that one does not grow.
        p_value: How probable such a trend is among peaks without any, by Mann and Kendall.
    """

    verdict: str
    slope_per_day: float | None = None
    exhausted_in_s: float | None = None
    earliest_s: float | None = None
    latest_s: float | None = None
    p_value: float | None = None


@dataclass(frozen=True)
class Pool:
    """A connection pool; of many processes' pools of one name, the fullest.

    Attributes:
        limit: Most connections of one process's pool; None where it has no limit.
        active: Most connections in use at a scrape.
        peak: Largest share in use.
        left: Fewest connections it could still hand out.
        wait_p95_s: How long all but the slowest requests waited at most.
        timeouts: Requests that got no connection in time.
        forecast: Where its peaks lead.
    """

    service: str
    database: str
    pool: str
    limit: float | None
    active: Amount
    peak: Amount
    left: Amount
    wait_p95_s: Amount
    timeouts: Amount
    forecast: Forecast


@dataclass(frozen=True)
class NPlusOne:
    """N+1 patterns found on one table."""

    service: str
    table: str
    count: Amount


@dataclass(frozen=True)
class Place:
    """A line of an application that something was found about: ``N+1`` or ``slow``."""

    kind: str
    service: str
    summary: str
    place: str
    function: str
    times: int


@dataclass(frozen=True)
class Suggested:
    """How many indexes the advisor last suggested for a table."""

    service: str
    table: str
    indexes: float


@dataclass(frozen=True)
class Advised:
    """An index that would pay off.

    Attributes:
        table: Of which table.
        create: The statement that makes it.
        proof: How far that is proven: ``cost``, ``plan`` or ``none``.
        services: Who would gain.
        statements: How many statements it would help.
        saving: The largest share of a statement's cost that it saves; None where that is not proven.
    """

    table: str
    create: str
    proof: str
    services: tuple[str, ...]
    statements: int
    saving: float | None


@dataclass(frozen=True)
class Changed:
    """A pattern that became slower, beyond what chance does to it.

    Attributes:
        pattern: Which.
        ratio: The mean duration of all its calls in the period, of that in the period before.
        typical_ratio: The same of a typical window and the one a period earlier.
        p_value: How probable such a difference is if nothing had changed.
        q_value: The share of false alarms among all that are told with this or a smaller one.
        pairs: How many windows were compared.
        extra_s: How many seconds less it would have taken at the speed of before.
    """

    pattern: Pattern
    ratio: float
    typical_ratio: float
    p_value: float
    q_value: float
    pairs: int
    extra_s: float


@dataclass(frozen=True)
class Changes:
    """What became of the patterns' speed.

    Attributes:
        slower: Those that became slower, the costliest first.
        faster: How many became faster.
        tested: How many ran often enough, in both periods, to be judged.
        untested: How many did not.
        appeared: Patterns of this period only, the costliest first.
    """

    slower: tuple[Changed, ...] = ()
    faster: int = 0
    tested: int = 0
    untested: int = 0
    appeared: tuple[Pattern, ...] = ()


@dataclass(frozen=True)
class Report:
    """All of it.

    Attributes:
        source: Where the numbers come from, in words.
        made_at: When the report was made, in seconds since 1970.
        period: What it is about; None for one scrape, whose numbers count from the start of the service.
        covered_before: Which share of the period before has any data, 0 to 1.
        services_asked: The services it was narrowed to; all if empty.
        lines_from: Where lines of code come from, in words; "" if nobody said.
        advice_from: Where advice on indexes comes from besides the metric; "" if from nowhere.
        load: Statements per second, by service.
        latency: Mean duration in seconds, by service.
        pool_use: Peak share in use, by pool.
    """

    source: str
    made_at: float
    period: Period | None
    covered_before: float = 0.0
    services_asked: tuple[str, ...] = ()
    lines_from: str = ""
    advice_from: str = ""
    services: tuple[Service, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    slow: tuple[Slow, ...] = ()
    tables: tuple[TableUse, ...] = ()
    errors: tuple[ErrorKind, ...] = ()
    pools: tuple[Pool, ...] = ()
    n_plus_one: tuple[NPlusOne, ...] = ()
    places: tuple[Place, ...] = ()
    suggested: tuple[Suggested, ...] = ()
    advised: tuple[Advised, ...] = ()
    changes: Changes = field(default_factory=Changes)
    load: tuple[Curve, ...] = ()
    latency: tuple[Curve, ...] = ()
    pool_use: tuple[Curve, ...] = ()

    @property
    def has_before(self) -> bool:
        """Whether so much is known of the period before that its sums can be compared with."""
        return self.covered_before >= ENOUGH_BEFORE
