"""Shows checks as they are run: one line each, then what to do about those that failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.status import Status as Spinner
from rich.table import Table
from rich.text import Text

from otel_dbmon.cli.screen import console, plain, show
from otel_dbmon.verify.check import Check
from otel_dbmon.verify.results import Status
from otel_dbmon.verify.run import Outcome

_STYLES = {
    Status.OK: ("ok", "green"),
    Status.WARNING: ("warning", "yellow"),
    Status.FAILED: ("FAILED", "bold red"),
    Status.SKIPPED: ("skipped", "dim"),
}
_WIDTH = 24


class Board:
    """The lines on the screen."""

    def __init__(self, on: Console, spinner: Spinner | None) -> None:
        self._console = on
        self._spinner = spinner

    def begin(self, check: Check) -> None:
        """Say what is looked at now."""
        if self._spinner is not None:
            self._spinner.update(plain(f"{check.name}: {check.shows}", "dim"))

    def add(self, outcome: Outcome) -> None:
        """Show one answer, and what to do if it is not well."""
        result = outcome.result
        word, style = _STYLES[result.status]
        line = Table.grid(padding=(0, 2, 0, 0))
        line.add_column(width=8)
        line.add_column(width=_WIDTH, no_wrap=True)
        line.add_column(overflow="fold")
        detail_style = "dim" if result.status is Status.SKIPPED else ""
        line.add_row(Text(word, style=style), outcome.check.name, plain(result.detail, detail_style))
        if result.advice and result.status is not Status.SKIPPED:
            line.add_row("", "", plain(f"-> {result.advice}", style))
        show(line, self._console)
        self._console.file.flush()


@contextmanager
def board() -> Iterator[Board]:
    """A board on standard output; on a terminal, what is looked at now is at its end."""
    on = console()
    if not on.is_terminal:
        yield Board(on, None)
        return
    with on.status("") as spinner:
        yield Board(on, spinner)


def show_sum(outcomes: Sequence[Outcome]) -> None:
    """How many ended in which way."""
    counts = {status: sum(outcome.result.status is status for outcome in outcomes) for status in Status}
    parts = [f"{count} {status.value}" for status, count in counts.items() if count]
    style = "bold red" if counts[Status.FAILED] else "bold green"
    show(Text(f"\n{len(outcomes)} checks: {', '.join(parts)}", style=style))


def show_evidence(files: Sequence[Path]) -> None:
    """Where the evidence is."""
    show(plain(f"Evidence: {', '.join(map(str, files))}"))


def show_checks(checks: Sequence[Check]) -> None:
    """Every check, and what it shows."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for check in checks:
        table.add_row(check.name, check.shows)
    show(table)
