"""The view on a terminal: takes a source and shows what it answers, until somebody quits."""

from __future__ import annotations

import time
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.message import Message
from textual.widgets import Footer, Input, Static

from otel_dbmon.cli.screen import plain
from otel_dbmon.top import figures, overview
from otel_dbmon.top.columns import SORTINGS, ordered, services_of
from otel_dbmon.top.detail import Detail
from otel_dbmon.top.help import Help
from otel_dbmon.top.history import History
from otel_dbmon.top.poller import Answer, Poller
from otel_dbmon.top.queries import MOST_ROWS, Queries
from otel_dbmon.top.reading import Reading
from otel_dbmon.top.source import Source

#: How many findings a screen of this height shows.
_FINDINGS = ((24, 3), (34, 5), (50, 8))
_MOST_FINDINGS = 12
_TICK_S = 1.0


class Top(App[None]):
    """The view.

    Args:
        source: Where figures come from.
        interval_s: How often it is asked, in seconds.
        by: What queries are sorted by, one of ``SORTINGS``.
        containing: What is filtered by at first.
    """

    TITLE = "otel-dbmon top"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = "#queries"
    CSS = """
    #source, #totals, #pools, #notes { height: 1; padding: 0 1; }
    #source { background: $panel; }
    #notes, #filter { display: none; }
    #queries { height: 1fr; padding: 0 0 0 1; scrollbar-size-vertical: 1; overflow-x: hidden; }
    #findings { height: auto; padding: 0 1; border-top: solid $panel-lighten-2; }
    #filter { height: 1; border: none; padding: 0 1; }
    Detail #title { height: 1; padding: 0 1; background: $panel; }
    Detail VerticalScroll { padding: 1 1 0 1; }
    Help { align: center middle; }
    #help { width: 84; max-width: 100%; height: auto; max-height: 100%; background: $panel; padding: 1 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c", "quit", "quit", key_display="q"),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("space", "pause", "pause"),
        *(Binding(word[0], f"sort('{word}')", word) for word in SORTINGS),
        Binding("r", "reverse", "reverse"),
        Binding("escape", "unfilter", "all", show=False),
    ]

    class Answered(Message):
        """The source was asked, and answered or not."""

        def __init__(self, answer: Answer) -> None:
            super().__init__()
            self.answer = answer

    def __init__(self, source: Source, interval_s: float, by: str = "time", containing: str = "") -> None:
        super().__init__()
        self.animation_level = "none"
        self._source = source
        self._interval_s = interval_s
        self._by = by
        self._backwards = False
        self._containing = containing
        self._paused = False
        self._problem = ""
        self._answered_at = 0.0
        self._reading: Reading | None = None
        self._history = History()
        self._lines: dict[str, Text] = {}
        self._poller = Poller(source, interval_s, lambda answer: self.post_message(self.Answered(answer)))

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield Static(id="source")
        yield Static(id="totals")
        yield Static(id="pools")
        yield Static(id="notes")
        yield Queries(self._history, id="queries")
        yield Static(id="findings")
        yield Input(self._containing, id="filter", placeholder="summary, service or fingerprint")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to ask."""
        self._show()
        self.set_interval(_TICK_S, self._show_source)
        self._poller.start()

    def on_unmount(self) -> None:
        """Ask no more."""
        self._poller.stop()

    def on_resize(self, _: Resize) -> None:
        """Use the room there is."""
        self.call_after_refresh(self._show)

    def on_top_answered(self, message: Answered) -> None:
        """Show what the source says."""
        answer = message.answer
        if not self.screen_stack:
            # Somebody quits.
            return
        screen = self.screen
        if answer.query is not None:
            if isinstance(screen, Detail) and screen.about.key == answer.query.key:
                screen.tell(answer.details, answer.problem)
            return
        self._problem = answer.problem
        if answer.reading is not None:
            self._answered_at = time.monotonic()
            self._history.add(answer.reading)
            if not self._paused:
                self._reading = answer.reading
                self._show()
                return
        self._show_source()

    def _show(self) -> None:
        self._show_source()
        reading = self._reading
        if reading is None:
            self._say("totals", Text("no answer yet", "dim"))
            return
        several = len(services_of(reading)) > 1
        self._say("totals", overview.totals(reading, self._history, self.size.width))
        self._say("pools", overview.pools(reading, several))
        self._say("notes", plain("; ".join(reading.notes), "dim"))
        self._main("notes").display = bool(reading.notes)
        found = ordered(reading.queries, self._by, self._backwards, self._containing)
        total = sum(query.seconds for query in reading.queries)
        self._main_queries().show(found, total, self._by, self._backwards, several)
        self._show_findings(reading, len(found))
        if isinstance(self.screen, Detail):
            about = self.screen.about
            query = next((query for query in reading.queries if query.key == about.key), None)
            self.screen.update(query, self._history.of(about))

    def _show_source(self) -> None:
        line = plain(self._source.name, "bold")
        if self._problem:
            age = time.monotonic() - self._answered_at
            last = f"last data {figures.age(age)} ago" if self._answered_at else "no data yet"
            line = Text.assemble((f"no answer, retrying ({last}) ", "bold white on red"), "  ", plain(self._problem))
        elif self._answered_at:
            line.append(f"   every {self._interval_s:g} s", "dim")
            line.append(f"   data {figures.age(time.monotonic() - self._answered_at)} old", "dim")
        if self._paused:
            line = Text.assemble((" PAUSED ", "reverse"), "  ", line)
        if self._containing:
            line.append(plain(f"   filter: {self._containing}", "yellow"))
        self._say("source", line)

    def _show_findings(self, reading: Reading, matching: int) -> None:
        most = next((count for height, count in _FINDINGS if self.size.height <= height), _MOST_FINDINGS)
        lines = [overview.finding(found) for found in reading.found[:most]] or [Text("nothing was found yet", "dim")]
        if len(reading.found) > most:
            lines[-1].append(f"  (+{len(reading.found) - most} more)", "dim")
        if matching > MOST_ROWS:
            lines.insert(0, Text(f"{matching - MOST_ROWS} more queries: filter with /", "dim"))
        self._say("findings", Text("\n").join(lines))

    def _say(self, where: str, text: Text) -> None:
        """Change a line, if it has changed."""
        if self._lines.get(where) != text or self._lines[where].spans != text.spans:
            self._lines[where] = text
            lines = text.split()
            for line in lines:
                line.truncate(max(self.size.width - 2, 1), overflow="ellipsis")
            self._main(where).update(Text("\n").join(lines))

    def _main(self, where: str) -> Static:
        return self.screen_stack[0].query_one(f"#{where}", Static)

    def _main_queries(self) -> Queries:
        return self.screen_stack[0].query_one(Queries)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Queries are sorted and filtered where they are seen."""
        return len(self.screen_stack) == 1 or action not in ("filter", "sort", "reverse", "unfilter", "help")

    def action_sort(self, by: str) -> None:
        """Sort by another column."""
        self._by, self._backwards = by, False
        self._show()

    def action_reverse(self) -> None:
        """Turn the order around."""
        self._backwards = not self._backwards
        self._show()

    def action_pause(self) -> None:
        """Hold the screen still, or let it go on."""
        self._paused = not self._paused
        self._show_source()

    def action_filter(self) -> None:
        """Let somebody type what is filtered by."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def action_unfilter(self) -> None:
        """Show all queries again."""
        field = self.query_one("#filter", Input)
        field.value = ""
        self._end_filter()

    def action_help(self) -> None:
        """Say which keys there are."""
        self.push_screen(Help())

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while somebody types."""
        self._containing = event.value.strip()
        self._show()

    def on_input_submitted(self) -> None:
        """Keep the filter."""
        self._end_filter()

    def _end_filter(self) -> None:
        self.query_one("#filter", Input).display = False
        self._main_queries().focus()

    def on_queries_sorted(self, message: Queries.Sorted) -> None:
        """Sort by the column whose title was clicked on; the other way round if it is that already."""
        if message.by == self._by:
            self.action_reverse()
        else:
            self.action_sort(message.by)

    def on_queries_chosen(self, message: Queries.Chosen) -> None:
        """Show all about a query."""

        def back(_: None) -> None:
            self._poller.ask_about(None)

        self.push_screen(Detail(message.query, self._history.of(message.query)), back)
        self._poller.ask_about(message.query)
