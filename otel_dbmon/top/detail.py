"""The screen of one query: what its statement is, how it went lately, who sends it, what to do about it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Static

from otel_dbmon.cli.screen import grid, plain
from otel_dbmon.top import figures, overview
from otel_dbmon.top.history import Moment
from otel_dbmon.top.reading import Details, Found, Query

_LABEL_WIDTH = 24
_MOST_PLACES = 8


class Detail(Screen[None]):
    """All about one query.

    Args:
        query: As it was when somebody asked.
        moments: How it went so far.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace,left", "app.pop_screen", "back", key_display="esc"),
        Binding("space", "app.pause", "pause"),
        Binding("q", "app.quit", "quit"),
    ]

    def __init__(self, query: Query, moments: Sequence[Moment]) -> None:
        super().__init__()
        self.about = query
        self._moments = moments
        self._details: Details | None = None
        self._problem = ""

    def compose(self) -> ComposeResult:
        """A title, and a page that scrolls."""
        yield Static(plain(f"{self.about.summary or '(no summary)'}  ", "bold"), id="title")
        with VerticalScroll():
            yield Static(id="page")
        yield Footer()

    def on_mount(self) -> None:
        """Show what is known already."""
        self._refresh()

    def on_resize(self) -> None:
        """Sparklines use the room there is."""
        self._refresh()

    def update(self, query: Query | None, moments: Sequence[Moment]) -> None:
        """Show newer figures."""
        self.about = query or self.about
        self._moments = moments
        self._refresh()

    def tell(self, details: Details | None, problem: str) -> None:
        """Show what the source knows, or why it does not answer; what is known stays."""
        self._details = details or self._details
        self._problem = problem
        self._refresh()

    def _refresh(self) -> None:
        if self.is_mounted:
            width = max(self.size.width - _LABEL_WIDTH - 20, 10)
            self.query_one("#page", Static).update(Group(*self._parts(width)))

    def _parts(self, width: int) -> Iterator[RenderableType]:
        details = self._details
        if details is not None and details.text:
            yield from _headed("Statement", plain(details.text))
        query, moments = self.about, self._moments
        share = "  (of all statements with this summary)" if query.is_shared else ""
        facts = [("service", query.service)] if query.service else []
        facts += [*(details.facts if details is not None else ())]
        known = [Text.assemble((f"{name} ", "dim"), plain(value)) for name, value in facts if value]
        yield from _headed("Query", Text("   ").join(known))
        yield from _headed(f"Lately{share}", _trend(query, moments, width))
        if details is None:
            yield Text(self._problem or "asking ..", style="dim")
            return
        if details.trend:
            lines = [(name or "?", figures.sparkline(values, width)) for name, values in details.trend.items()]
            yield from _headed("Calls in the last hour, by service", grid([(n, Text(v, "cyan")) for n, v in lines]))
        if details.found:
            yield from _headed("Found, and who sends it", *map(_place, details.found[:_MOST_PLACES]))
        elif not details.note:
            yield from _headed("Found", Text("nothing; the sending line is looked up where something is", "dim"))
        if details.analysis:
            yield from _headed("Analysis", plain(details.analysis))
        if details.advice:
            yield from _headed("Advice", *(plain(f"- {said}") for said in details.advice))
        for note in (details.note, self._problem):
            if note:
                yield plain(note, "dim")


def _headed(title: str, *parts: RenderableType) -> Iterator[RenderableType]:
    yield plain(title, "bold cyan")
    for part in parts:
        yield Padding(part, (0, 0, 0, 2))
    yield Text("")


def _place(found: Found) -> RenderableType:
    line = overview.finding(found)
    if found.function:
        line.append(plain(f" in {found.function}", "dim"))
    return line


def _trend(query: Query, moments: Sequence[Moment], width: int) -> RenderableType:
    known = [moment.mean for moment in moments if not math.isnan(moment.mean)]
    rows = (
        ("calls/s", figures.rate(query.calls), [moment.calls for moment in moments]),
        ("mean", figures.duration(query.mean if query.calls or not known else known[-1]), [m.mean for m in moments]),
        ("p50", figures.percentile(query.p50, query.finest), [moment.p50 for moment in moments]),
        ("p95", figures.percentile(query.p95, query.finest), [moment.p95 for moment in moments]),
        ("errors/s", figures.rate(query.errors), [moment.errors for moment in moments]),
    )
    shown = min(width, max(len(moments), 1))
    return grid(
        [(name, Text.assemble(f"{now:>9} ", (figures.sparkline(then, shown), "cyan"))) for name, now, then in rows]
    )
