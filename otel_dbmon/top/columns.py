"""The columns of queries: what each shows of a query, how wide it is, from which width on, and how it sorts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rich.text import Text

from otel_dbmon.cli.screen import plain
from otel_dbmon.top import figures
from otel_dbmon.top.history import History
from otel_dbmon.top.rates import OTHERS
from otel_dbmon.top.reading import Query, Reading


class Sorting(NamedTuple):
    """A way to sort.

    Attributes:
        word: What it is called on the command line and above its column.
        key: What it goes by; NaN comes last.
    """

    word: str
    key: Callable[[Query], float]


SORTINGS = {
    sorting.word: sorting
    for sorting in (
        Sorting("time", lambda query: query.seconds),
        Sorting("calls", lambda query: query.calls),
        Sorting("mean", lambda query: query.mean),
        Sorting("p95", lambda query: query.p95),
        Sorting("errors", lambda query: query.errors),
    )
}


def ordered(queries: Iterable[Query], by: str, backwards: bool = False, containing: str = "") -> list[Query]:
    """The queries that contain a text, in order: the highest first.

    Args:
        queries: All of them.
        by: One of ``SORTINGS``.
        backwards: Whether the lowest comes first.
        containing: What summary, service or fingerprint contain, in whatever case.
    """
    wanted, key = containing.casefold(), SORTINGS[by].key
    found = [query for query in queries if not wanted or wanted in " ".join(query.key).casefold()]

    def rank(query: Query) -> tuple[bool, float, float, tuple[str, str, str]]:
        value = key(query)
        unknown = math.isnan(value)
        return unknown, 0.0 if unknown else value if backwards else -value, -query.calls, query.key

    return sorted(found, key=rank)


class Context(NamedTuple):
    """What a column has to know beside the query."""

    total_seconds: float
    history: History
    trend_width: int


class Column(NamedTuple):
    """One column.

    Attributes:
        title: What stands above it; also its sorting's word, if it has one.
        width: In characters; 0 for all that is left.
        from_width: It is shown on screens that are at least so wide.
        cell: What it shows of a query.
    """

    title: str
    width: int
    from_width: int
    cell: Callable[[Query, Context], Text]
    sorting: str = ""


def _time(query: Query, _: Context) -> Text:
    return _right(f"{figures.duration(query.seconds)}")


def _share(query: Query, context: Context) -> Text:
    return _right(f"{query.seconds / context.total_seconds:.0%}" if context.total_seconds > 0 else figures.NOTHING)


def _percentile(seconds: float, query: Query) -> Text:
    # A tilde where it is that of all patterns with this summary.
    return _right(
        ("~" if query.is_shared and not math.isnan(seconds) else "") + figures.percentile(seconds, query.finest)
    )


def _errors(query: Query, _: Context) -> Text:
    return _right(figures.rate(query.errors), "bold red" if query.errors > 0 else "")


def _trend(query: Query, context: Context) -> Text:
    calls = [moment.p95 for moment in context.history.of(query)]
    return Text(figures.sparkline(calls, context.trend_width), style="cyan")


def _summary(query: Query, _: Context) -> Text:
    return plain(query.summary or "(no summary)", "dim" if query.summary == OTHERS else "bold")


def _right(text: str, style: str = "") -> Text:
    return Text(text, style=style, justify="right")


_ALL = (
    Column("time/s", 8, 0, _time, "time"),
    Column("%", 5, 96, _share),
    Column("calls/s", 9, 0, lambda query, _: _right(figures.rate(query.calls)), "calls"),
    Column("mean", 8, 0, lambda query, _: _right(figures.duration(query.mean)), "mean"),
    Column("p50", 8, 96, lambda query, _: _percentile(query.p50, query)),
    Column("p95", 8, 0, lambda query, _: _percentile(query.p95, query), "p95"),
    Column("err/s", 7, 0, _errors, "errors"),
    Column("p95 trend", 0, 0, _trend),
)
_SERVICE = Column("service", 16, 0, lambda query, _: plain(query.service))
_QUERY = Column("query", 0, 0, _summary)


class Layout(NamedTuple):
    """The columns that a screen has room for, with their widths."""

    columns: tuple[Column, ...]
    widths: tuple[int, ...]
    trend_width: int


def layout(width: int, with_service: bool) -> Layout:
    """What to show on a screen of this width."""
    trend_width = 9 if width < 96 else 12 if width < 120 else 20 if width < 160 else 40
    columns = [column for column in _ALL if width >= column.from_width]
    columns += [_SERVICE, _QUERY] if with_service else [_QUERY]
    widths = [trend_width if column.cell is _trend else column.width for column in columns]
    widths[-1] = max(width - sum(widths) - len(widths) * GAP - 1, 12)
    return Layout(tuple(columns), tuple(widths), trend_width)


#: Blanks between columns.
GAP = 1


def cells(query: Query, columns: Sequence[Column], context: Context) -> list[Text]:
    """One row."""
    return [column.cell(query, context) for column in columns]


def services_of(reading: Reading) -> list[str]:
    """Who sends something, in order."""
    return sorted({query.service for query in reading.queries} | {pool.service for pool in reading.pools})
