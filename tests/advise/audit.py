"""Advises on a shop of 400,000 orders, builds what is suggested, and prints what was promised and what came of it."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from contextlib import closing
from pathlib import Path

import psycopg

sys.path[:0] = [str(Path(__file__).parents[1] / room) for room in (".", "postgres", "otel_dbmon")]

from advising import ask, build_and_time, make_shop, score, workload  # noqa: E402
from cluster import PostgreSQL  # noqa: E402

#: A promise of a hundred times may become ten, since costs are no times; less is a promise broken.
_ORDER = 10.0


def main() -> int:
    """Print it all; answers 0 if each promise was kept within its order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400_000, help="orders in the shop (default: %(default)s)")
    rows: int = parser.parse_args().rows
    with PostgreSQL() as server:
        started = time.monotonic()
        make_shop(server.url, rows)
        print(f"A shop of {rows:,} orders, made in {time.monotonic() - started:.1f} s")
        return _audit(server.url)


def _audit(url: str) -> int:
    entries = workload()
    before = _written(url)
    started = time.monotonic()
    advice = ask(url, entries)
    print(f"{len(advice.suggestions)} suggestions for {len(entries)} statements in {time.monotonic() - started:.1f} s")
    after = _written(url)
    print(f"Meanwhile {after[0] - before[0]} transactions that write, {after[1] - before[1]} rows written" + "\n")
    result = score(advice, entries)
    print(f"Precision {result.precision:.0%} ({len(result.right)} of {len(advice.suggestions)} suggestions)")
    for index in result.wrong:
        print(f"  wrong   {index}")
    wanting = len(result.found) + len(result.missed)
    print(f"Recall    {result.recall:.0%} ({len(result.found)} of {wanting} statements that want an index)")
    for entry in result.missed:
        print(f"  missed  {' or '.join(entry.best)} for {entry.sql}")
    for suggestion in advice.crowded_out:
        print(f"  for want of room on the table: {suggestion.index}")
    print("\n" + f"{'promised':>10} {'at least':>10} {'measured':>10} {'before':>11} {'after':>11}  statement")
    timed = sorted(build_and_time(url, advice, entries), key=lambda found: -found.measured)
    for found in timed:
        factors = "".join(f"{factor:9.0f}x " for factor in (found.promised, found.at_least, found.measured))
        print(f"{factors}{found.before_ms:8.3f} ms {found.after_ms:8.3f} ms  {found.entry.sql[:90]}")
    ratio = statistics.geometric_mean(found.measured / found.promised for found in timed)
    kept = [found for found in timed if found.measured * _ORDER >= found.at_least]
    print("\n" + f"{len(kept)} of {len(timed)} promises kept within their order; measured is {ratio:.1f} of promised")
    return 0 if len(kept) == len(timed) and after == before else 1


def _written(url: str) -> tuple[int, int]:
    """Transactions that got a number because they write, and rows written, so far."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        row = connection.execute(
            "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, tup_inserted + tup_updated + tup_deleted"
            " FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])


if __name__ == "__main__":
    sys.exit(main())
