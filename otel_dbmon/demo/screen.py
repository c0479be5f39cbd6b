"""Shows the demo: live while it runs, then what was seen, what was scraped, what was checked and where to look next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from otel_dbmon.cli.screen import console, grid, plain, show
from otel_dbmon.demo.figures import Figures
from otel_dbmon.demo.report import Report
from otel_dbmon.demo.scrape import ACTIVE, DURATION, ERRORS
from otel_dbmon.demo.traffic import Tally

_MOST_STATEMENTS = 30
_MOST_FOUND = 10
#: The series of the specification, and how many of each are shown.
_SERIES = {f"{DURATION}_count": 4, f"{DURATION}_sum": 4, ACTIVE: 1, ERRORS: 2}
_PLAIN_EVERY_S = 2.0
_COMPLEXITY_STYLES = {"low": "green", "medium": "yellow", "high": "red"}

#: Told how many seconds have passed and what has happened so far.
Update = Callable[[float, Tally, Figures], None]


def introduce(port: int, folder: Path) -> None:
    """Say what is about to happen."""
    show(
        Group(
            Text("otel-dbmon demo", style="bold"),
            Text("A shop on SQLite under opentelemetry-instrument; not one line of it knows about monitoring."),
            Text(f"It starts on http://127.0.0.1:{port}; what leaves it goes to a receiver here and is kept in"),
            Text(f"{_seen_from_here(folder)}\n"),
        )
    )


@contextmanager
def progress(duration_s: float) -> Iterator[Update]:
    """Show how the visits go: a bar on a terminal, a line now and then anywhere else."""
    on = console()
    if not on.is_terminal:
        yield _Lines(on, duration_s).update
        return
    columns = (TextColumn("{task.fields[clock]}"), BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=on) as bar:
        task = bar.add_task("", total=duration_s, clock="")

        def update(elapsed_s: float, tally: Tally, figures: Figures) -> None:
            clock = f"{elapsed_s:3.0f} s of {duration_s:.0f} s"
            bar.update(task, completed=elapsed_s, description=_so_far(tally, figures), clock=clock)

        yield update


class _Lines:
    """Progress where nothing can be drawn."""

    def __init__(self, on: Console, duration_s: float) -> None:
        self._console = on
        self._duration_s = duration_s
        self._next_s = 0.0

    def update(self, elapsed_s: float, tally: Tally, figures: Figures) -> None:
        """Print a line, unless the last one was only just printed."""
        if elapsed_s >= self._next_s:
            show(f"{elapsed_s:3.0f} s of {self._duration_s:.0f} s: {_so_far(tally, figures)}", self._console)
            self._console.file.flush()
            self._next_s = min(elapsed_s + _PLAIN_EVERY_S, self._duration_s)


def _so_far(tally: Tally, figures: Figures) -> str:
    visits, refused = tally.totals()
    return f"{visits:,} requests, {refused:,} refused, {figures.calls:,} statements received"


def show_report(report: Report) -> None:
    """Show everything that was seen."""
    show("")
    show(_section("What was seen", _statements(report.figures)))
    show(_section("What was found", _found(report.figures)))
    show(_section("One statement", grid([("In the shop", report.before), ("Outside", plain(report.after, "bold"))])))
    show(_section("What Prometheus scrapes", _series(report)))
    show(_section("What was checked", _checks(report)))


def show_sentry(events: Sequence[Mapping[str, Any]]) -> None:
    """Show one event that Sentry was sent, a finding if there is any; nothing where it all went somewhere else."""
    told = sorted((event for event in events if "database" in event.get("contexts", {})), key=_telling)
    if not told:
        return
    contexts = told[-1]["contexts"]
    rows = [("Event", _headline(told[-1]))]
    rows += [(key, str(value)) for key, value in contexts["database"].items()]
    rows += [(key, str(contexts["finding"][key])) for key in ("location", "suppressed") if key in _finding(told[-1])]
    rows += [("trace_id", str(contexts["trace"]["trace_id"])), ("Others", f"{len(events) - 1} in sentry.jsonl")]
    show(_section("What Sentry gets", grid([(name, plain(text)) for name, text in rows])))


def _finding(event: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = event["contexts"].get("finding", {})
    return found


def _telling(event: Mapping[str, Any]) -> int:
    return int(_finding(event).get("count", 0))


def _headline(event: Mapping[str, Any]) -> str:
    errors = event.get("exception", {}).get("values", ())
    return str(event.get("message") or (f"{errors[-1]['type']}: {errors[-1].get('value', '')}" if errors else ""))


def show_places(folder: Path, port: int, metrics_port: int, serving: bool, page: Path | None = None) -> None:
    """Say where to look next; addresses only while somebody answers there.

    Args:
        folder: Where everything is.
        port: The shop's.
        metrics_port: That of its Prometheus endpoint.
        serving: Whether they still answer.
        page: The report, if there is one.
    """
    near = _seen_from_here(folder)
    report: list[tuple[str, str | Text]] = (
        [("The report", f"{near / page.name} (open it in a browser)")] if page else []
    )
    rows: list[tuple[str, str | Text]] = [
        *report,
        ("Spans", f"{near / 'spans.jsonl'} (OTLP JSON lines, as an exporter was handed them)"),
        ("Sentry", f"{near / 'sentry.jsonl'} (envelopes as they were sent; none where SENTRY_DSN names your own)"),
        ("Metrics", f"{near / 'metrics.prom'} (the last scrape)"),
        ("The shop's log", str(near / "shop.log")),
        ("Any statement", "otel-dbmon analyze \"SELECT * FROM users WHERE email = 'ann@example.com'\""),
        ("Your service", "opentelemetry-instrument python app.py"),
    ]
    if serving:
        rows[:0] = [
            ("The shop", f"http://127.0.0.1:{port}/orders (row by row; its twin is /orders/eager)"),
            ("Prometheus", f"http://127.0.0.1:{metrics_port}/metrics"),
        ]
    else:
        rows.append(("To stay up", "otel-dbmon demo --serve"))
    show(_section("Where to look next", grid(rows)))
    if serving:
        show("Serving until Ctrl-C.")


def say_goodbye() -> None:
    """Acknowledge Ctrl-C."""
    show("\nStopped.")


def _seen_from_here(folder: Path) -> Path:
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _section(title: str, body: RenderableType) -> RenderableType:
    return Group(Text(title, style="bold cyan"), Padding(body, (0, 0, 1, 2)))


def _statements(figures: Figures) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    table.add_column("Summary", overflow="fold")
    for name in ("Type", "Complexity"):
        table.add_column(name, no_wrap=True)
    for name in ("Calls", "p50 ms", "p95 ms", "Errors"):
        table.add_column(name, justify="right", no_wrap=True)
    statements = figures.statements()
    for statement in statements[:_MOST_STATEMENTS]:
        table.add_row(
            plain(statement.summary),
            statement.query_type,
            Text(statement.complexity, style=_COMPLEXITY_STYLES.get(statement.complexity, "")),
            f"{statement.calls:,}",
            f"{statement.percentile(0.50):.2f}",
            f"{statement.percentile(0.95):.2f}",
            Text(str(statement.errors), style="red") if statement.errors else Text("0", style="dim"),
        )
    rest = len(statements) - _MOST_STATEMENTS
    return Group(table, Text(f"and {rest} more in spans.jsonl", style="dim")) if rest > 0 else table


def _found(figures: Figures) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    table.add_column("Found", no_wrap=True)
    table.add_column("Statement", overflow="fold")
    table.add_column("Line", no_wrap=True)
    table.add_column("Function", overflow="fold")
    table.add_column("Times", justify="right", no_wrap=True)
    for found, times in figures.found.most_common(_MOST_FOUND):
        row = (plain(text) for text in (found.summary, found.place, found.function))
        table.add_row(Text(found.kind, style="yellow"), *row, f"{times:,}")
    return table


def _series(report: Report) -> RenderableType:
    return Group(*(plain(line) for name, at_most in _SERIES.items() for line in report.scrape.lines(name, at_most)))


def _checks(report: Report) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    for check in report.checks:
        verdict = Text("ok", style="green") if check.kept else Text("FAILED", style="bold red")
        table.add_row(verdict, check.promise, Text(check.detail, style="dim" if check.kept else "red"))
    return table
