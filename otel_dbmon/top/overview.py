"""The lines above and below the queries: the source and its age, all statements together, pools, findings."""

from __future__ import annotations

import time

from rich.text import Text

from otel_dbmon.cli.screen import plain
from otel_dbmon.top import figures
from otel_dbmon.top.history import History
from otel_dbmon.top.reading import ALERT, Found, Pool, Reading, Totals
from otel_dbmon_processors.finding import DUPLICATE_QUERY, N_PLUS_ONE, PLAN_CHANGED, SLOW_QUERY

_KINDS = {
    SLOW_QUERY: "red",
    N_PLUS_ONE: "yellow",
    DUPLICATE_QUERY: "yellow",
    PLAN_CHANGED: "magenta",
    ALERT: "bold red",
}
_MOST_ERRORS = 3
_LONGEST_PLACE = 36
_WIDE = 96


def totals(reading: Reading, history: History, width: int) -> Text:
    """All statements together, in one line; their trend where there is room for it."""
    if not reading.period:
        return Text("measuring ..", style="dim")
    all_ = reading.totals
    line = Text()
    line.append(f"{figures.rate(all_.calls)} calls/s", "bold")
    if width >= _WIDE:
        line.append(f" {figures.sparkline(history.calls, min(len(history.calls), width // 8))}", "cyan")
    line.append(f"  busy {figures.duration(all_.seconds)}/s")
    line.append(f"  p50 {figures.percentile(all_.p50, all_.finest)}  p95 {figures.percentile(all_.p95, all_.finest)}")
    failed = sum(all_.errors.values())
    line.append(f"  err {figures.rate(failed)}/s", "bold red" if failed else "")
    line.append(f"  slow {figures.rate(all_.slow)}/s", "red" if all_.slow else "")
    line.append(f"  n+1 {figures.rate(all_.n_plus_one)}/s", "yellow" if all_.n_plus_one else "")
    line.append(_kinds_of_errors(all_))
    return line


def _kinds_of_errors(all_: Totals) -> Text:
    kinds = sorted(all_.errors.items(), key=lambda item: -item[1])
    return plain("".join(f"  {kind} {figures.rate(value)}/s" for kind, value in kinds[:_MOST_ERRORS]), "red")


def pools(reading: Reading, with_service: bool) -> Text:
    """All pools in one line, those that are in need first."""
    if not reading.pools:
        return Text("no pools", style="dim")
    line = Text("pools")
    for pool in sorted(reading.pools, key=lambda pool: -_need(pool)):
        line.append("  ")
        line.append(_pool(pool, with_service))
    return line


def _need(pool: Pool) -> float:
    return pool.pending + pool.timeouts + (pool.active / pool.most if pool.most else 0.0)


def _pool(pool: Pool, with_service: bool) -> Text:
    name = f"{pool.service}/{pool.name}" if with_service else pool.name
    most = f"/{pool.most:.0f}" if pool.most else ""
    text = f"{name} {pool.active:.0f}{most} busy, {pool.idle:.0f} idle"
    if pool.pending:
        text += f", {pool.pending:.0f} waiting"
    if pool.timeouts:
        text += f", {figures.rate(pool.timeouts)} timeouts/s"
    is_full = bool(pool.most) and pool.active >= pool.most
    return plain(text, "bold red" if pool.timeouts or pool.pending else "yellow" if is_full else "green")


def finding(found: Found) -> Text:
    """One finding in one line."""
    line = Text(no_wrap=True, overflow="ellipsis")
    if found.at:
        line.append(time.strftime("%H:%M:%S ", time.localtime(found.at)), "dim")
    if found.place:
        line.append(plain(f"{_end_of(found.place)} ", "cyan"))
    line.append(plain(found.message, _KINDS.get(found.kind, "") if found.is_alert else ""))
    if found.times > 1:
        line.append(f" x{found.times:,}", "dim")
    return line


def _end_of(place: str) -> str:
    return place if len(place) <= _LONGEST_PLACE else f"..{place[-_LONGEST_PLACE:]}"
