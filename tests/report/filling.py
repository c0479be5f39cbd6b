"""Writes what services told a Prometheus over time, as OpenMetrics with times: the same page at every call."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping

#: When the period ends: midnight after a Sunday, UTC.
END = 1_772_409_600
DAY = 86_400
SCRAPE_S = 300
BOUNDS = ("0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1.0", "5.0", "10.0", "+Inf")
#: What became twice as slow, what appeared, and how many kept their speed.
SLOWER, NEW, STEADY = "f-slower", "f-new", 30
#: Names that would be more than names if anybody took them so.
HOSTILE = 'we"ird\\ <script>alert(1)</script> | `x` .*'

Labels = Mapping[str, str]


class Page:
    """A page of metrics with times."""

    def __init__(self) -> None:
        self._families: dict[tuple[str, str], list[str]] = {}

    def tell(self, family: str, kind: str, series: str, labels: Labels, at: float, value: float) -> None:
        """One sample of a family's series."""
        told = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        self._families.setdefault((family, kind), []).append(f"{series}{{{told}}} {value:.9g} {at:.0f}")

    def __str__(self) -> str:
        lines: list[str] = []
        for (family, kind), samples in self._families.items():
            lines += [f"# TYPE {family} {kind}", *samples]
        return "\n".join([*lines, "# EOF", ""])


class Counter:
    """A counter of one process, which starts again at zero when that does."""

    def __init__(self, page: Page, family: str, labels: Labels) -> None:
        self._page, self._family, self._labels = page, family, labels
        self.value = 0.0

    def add(self, at: float, amount: float) -> None:
        """Count, and be scraped."""
        self.value += amount
        self._page.tell(self._family, "counter", f"{self._family}_total", self._labels, at, self.value)


class Histogram:
    """A histogram of one process."""

    def __init__(self, page: Page, family: str, labels: Labels) -> None:
        self._page, self._family, self._labels = page, family, labels
        self._below = [0.0] * len(BOUNDS)
        self._sum = 0.0

    def add(self, at: float, calls: float, each_s: float) -> None:
        """Count calls of about one duration, and be scraped."""
        for place, bound in enumerate(BOUNDS):
            share = 1.0 if float(bound) >= 2 * each_s else 0.6 if float(bound) >= each_s else 0.0
            self._below[place] += round(calls * share)
        self._sum += calls * each_s
        tell, family = self._page.tell, self._family
        for bound, below in zip(BOUNDS, self._below, strict=True):
            tell(family, "histogram", f"{family}_bucket", {**self._labels, "le": bound}, at, below)
        tell(family, "histogram", f"{family}_sum", self._labels, at, self._sum)
        tell(family, "histogram", f"{family}_count", self._labels, at, self._below[-1])


def two_days(until: float = END, since: float = END - 2 * DAY) -> str:
    """Three services over two days, and a pool that grows over four weeks.

    ``shop`` has two processes, ``billing`` one that starts again twice, ``late`` comes six hours before the end,
    with numbers at once. `HOSTILE` is a fourth one.

    Args:
        until: When the last scrape was.
        since: When the first one was.
    """
    page, chance = Page(), random.Random(20_260_301)
    moments = range(int(since), int(until) + 1, SCRAPE_S)
    for process in ("shop-1", "shop-2"):
        _process(page, chance, moments, {"service": "shop", "instance": process}, 900, 0.004)
    for part in (moments[:200], moments[200:390], moments[390:]):
        _process(page, chance, part, {"service": "billing", "instance": "billing-1"}, 300, 0.02)
    _process(page, chance, moments[-73:], {"service": "late", "instance": "late-1"}, 40, 0.3, first=5000)
    _process(page, chance, moments, {"service": HOSTILE, "instance": "weird-1"}, 10, 0.002)
    _patterns(page, chance, moments)
    for process, shift in (("shop-1", 0.0), ("shop-2", 1.0)):
        _pool(
            page, chance, {"service": "shop", "database": "shopdb", "pool": "main", "instance": process}, until, shift
        )
    _waits(page, moments)
    labels = {"service": "shop", "table": "orders", "instance": "advisor"}
    for at in moments[::4]:
        page.tell("database_index_suggestions", "gauge", "database_index_suggestions", labels, at, 2)
    return str(page)


def _process(
    page: Page, chance: random.Random, moments: range, who: Labels, calls: int, each_s: float, first: int = 0
) -> None:
    tables = (("SELECT", "orders", 1.0), ("SELECT", "users", 0.6), ("INSERT", "orders", 0.1))
    for operation, table, share in tables:
        what = {**who, "operation": operation, "table": table}
        durations = Histogram(page, "database_query_duration_seconds", {**what, "database": "shopdb"})
        slow = Counter(page, "database_slow_queries", what)
        for number, at in enumerate(moments):
            ran = round(share * calls * _busy(at)) + (first if number == 0 else 0)
            durations.add(at, ran, each_s * chance.lognormvariate(0, 0.2))
            slow.add(at, chance.random() < 0.02 * share)
    for error_type, often in (("timeout", 0.05), ("integrity", 0.2)):
        labels = {**who, "operation": "INSERT", "error_type": error_type, "database": "shopdb"}
        _count(page, "database_errors", labels, moments, lambda _, often=often: chance.random() < often)
    _count(page, "database_n_plus_one", {**who, "table": "users"}, moments, lambda _: chance.random() < 0.1)


def _count(page: Page, family: str, labels: Labels, moments: range, often: Callable[[float], float]) -> None:
    counter = Counter(page, family, labels)
    for at in moments:
        counter.add(at, often(at))


def _patterns(page: Page, chance: random.Random, moments: range) -> None:
    middle = moments[len(moments) // 2]
    for number in range(STEADY):
        _pattern(page, chance, moments, f"f-{number:02}", f"SELECT t{number}", lambda _: 0.005)
    _pattern(page, chance, moments, SLOWER, "SELECT orders items", lambda at: 0.01 if at <= middle else 0.02)
    later = range(middle + DAY // 4, moments[-1] + 1, SCRAPE_S)
    _pattern(page, chance, later, NEW, "UPDATE orders", lambda _: 0.008)


def _pattern(
    page: Page, chance: random.Random, moments: range, fingerprint: str, summary: str, each_s: Callable[[float], float]
) -> None:
    labels = {"service": "shop", "fingerprint": fingerprint, "summary": summary, "instance": "shop-1"}
    calls = Counter(page, "database_query_pattern_calls", labels)
    seconds = Counter(page, "database_query_pattern_duration_seconds", labels)
    for at in moments:
        ran = round(40 * _busy(at))
        calls.add(at, ran)
        seconds.add(at, ran * each_s(at) * _busy(at) * chance.lognormvariate(0, 0.3))


def _pool(page: Page, chance: random.Random, labels: Labels, until: float, shift: float) -> None:
    """Forty connections: 10 in use at the first day's peak, half a connection more each day."""
    for at in range(int(until) - 28 * DAY, int(until) + 1, 4 * 3600):
        day = 28 - (until - at) / DAY
        used = round((10 + day / 2 + shift + chance.random()) * (0.5 + 0.5 * _busy(at) / 1.5))
        page.tell("database_connections_active", "gauge", "database_connections_active", labels, at, used)
        page.tell("database_connections_max", "gauge", "database_connections_max", labels, at, 40)


def _waits(page: Page, moments: range) -> None:
    labels = {"service": "shop", "database": "shopdb", "pool": "main", "instance": "shop-1"}
    waits = Histogram(page, "database_connection_wait_time_seconds", labels)
    for at in moments:
        waits.add(at, 50, 0.002)
    _count(page, "database_connection_timeouts", labels, moments, lambda at: at % 7200 == 0)


def _busy(at: float) -> float:
    """How busy it is at that time of day: 0.5 to 1.5, most at six in the evening."""
    return 1 + 0.5 * math.sin(2 * math.pi * (at / DAY - 0.5))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
