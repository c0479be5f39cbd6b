"""Makes the shop of ``shop.sql`` in a database, has its workload advised on, and compares with what is known."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import yaml

from otel_dbmon.advise.advice import Advice, advise
from otel_dbmon.advise.postgres import Postgres, connect
from otel_dbmon.advise.workload import Sighting, workload_of
from otel_dbmon_processors.analysis import analyze

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Entry:
    """A statement of the workload, and the indexes of which any will do for it."""

    sql: str
    calls: float
    best: tuple[str, ...]
    arguments: tuple[Any, ...] | None = None

    @property
    def fingerprint(self) -> str:
        """The pattern's name."""
        return analyze(self.sql, "postgresql").fingerprint


def workload() -> list[Entry]:
    """The statements of ``workload.yaml``."""
    entries = yaml.safe_load((FOLDER / "workload.yaml").read_text())
    return [
        Entry(
            entry["sql"],
            entry["calls"],
            tuple(entry["best"]),
            tuple(entry["arguments"]) if "arguments" in entry else None,
        )
        for entry in entries
    ]


def make_shop(url: str, rows: int) -> None:
    """Fill a database that is empty."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS hypopg")
        connection.execute((FOLDER / "shop.sql").read_text().replace("{rows}", str(rows)).encode())


def ask(url: str, entries: Sequence[Entry]) -> Advice:
    """Have these statements advised on."""
    with closing(Postgres(connect(url))) as prover:
        found = workload_of([Sighting(entry.sql, entry.calls) for entry in entries], prover.dialect)
        return advise(found, prover)


class Score(NamedTuple):
    """How a piece of advice compares with what is known.

    Attributes:
        right: Suggestions that are known to be best for a statement.
        wrong: Suggestions that are not.
        found: Statements with a best index that have got one.
        missed: Those that have not.
    """

    right: list[str]
    wrong: list[str]
    found: list[Entry]
    missed: list[Entry]

    @property
    def precision(self) -> float:
        """Which part of the suggestions is right."""
        return len(self.right) / max(len(self.right) + len(self.wrong), 1)

    @property
    def recall(self) -> float:
        """Which part of the statements got what they need."""
        return len(self.found) / max(len(self.found) + len(self.missed), 1)


def score(advice: Advice, entries: Sequence[Entry]) -> Score:
    """Compare."""
    suggested = [str(suggestion.index) for suggestion in advice.suggestions]
    known = {index for entry in entries for index in entry.best}
    wanting = [entry for entry in entries if entry.best]
    found = [entry for entry in wanting if set(entry.best) & set(suggested)]
    return Score(
        [index for index in suggested if index in known],
        [index for index in suggested if index not in known],
        found,
        [entry for entry in wanting if entry not in found],
    )


class Timed(NamedTuple):
    """A statement that an index was suggested for, and its time before and after that was really built.

    Attributes:
        entry: The statement.
        promised: How many times less it shall cost.
        at_least: The same for the values that profit least, where they are skewed.
        before_ms: Its time without any of the suggested indexes.
        after_ms: Its time with all of them.
    """

    entry: Entry
    promised: float
    at_least: float
    before_ms: float
    after_ms: float

    @property
    def measured(self) -> float:
        """How many times faster it has become."""
        return self.before_ms / self.after_ms


def build_and_time(url: str, advice: Advice, entries: Sequence[Entry], runs: int = 5) -> Iterator[Timed]:
    """Time what the suggestions help, build them all, and time it again."""
    by_fingerprint = {entry.fingerprint: entry for entry in entries}
    helped = {
        found.query.statement.fingerprint: found for suggestion in advice.suggestions for found in suggestion.helped
    }
    timed = [name for name in helped if by_fingerprint[name].arguments is not None]
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        before = {name: _milliseconds(connection, by_fingerprint[name], runs) for name in timed}
        for suggestion in advice.suggestions:
            connection.execute(f"CREATE INDEX CONCURRENTLY ON {suggestion.index}".encode())
        connection.execute("ANALYZE")
        for name in timed:
            entry, found = by_fingerprint[name], helped[name]
            promised = found.before / found.after
            at_least = promised if found.spread is None else min(promised, 1 / max(1 - found.spread[0], 1e-9))
            yield Timed(entry, promised, at_least, before[name], _milliseconds(connection, entry, runs))


def _milliseconds(connection: psycopg.Connection[Any], entry: Entry, runs: int) -> float:
    """The median time that the server says a statement took; what it changes is taken back."""
    times = []
    for _ in range(runs + 1):
        with connection.transaction(force_rollback=True):
            row = connection.execute(
                f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {entry.sql}", entry.arguments
            ).fetchone()
            assert row is not None
            times.append(row[0][0]["Execution Time"])
    # The first one warms the cache up.
    return statistics.median(times[1:])


def wait_for(url: str, lsn: str) -> None:
    """Wait until a standby has replayed what its primary had written by then."""
    deadline = time.monotonic() + 30
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        while True:
            row = connection.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (lsn,)).fetchone()
            if row is not None and row[0]:
                return
            assert time.monotonic() < deadline, "the standby does not follow"
            time.sleep(0.05)
