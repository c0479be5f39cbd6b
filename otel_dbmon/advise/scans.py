"""The tables that a query reads as a whole come in, out goes a hope of how many rows it looks at with an index on them.

For databases that cannot plan with an index that is not there. It is no more than a rule to choose candidates by, and
its figures are never shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otel_dbmon.advise.model import Index

#: A smaller table is read faster than any index.
_MIN_ROWS = 1000
_ROWS_FOUND = 10.0
#: What a further column of an index leaves: less than half, or it would never be chosen.
_SHARE_LEFT = 0.4


def hoped(scanned: Mapping[str, float], sets: Sequence[frozenset[Index]]) -> list[float]:
    """How many rows are looked at with each set of indexes.

    Args:
        scanned: Tables that are read as a whole, and their rows.
        sets: Indexes that might help.
    """
    large = {name: rows for name, rows in scanned.items() if rows >= _MIN_ROWS}
    return [sum(_rows_left(name, rows, indexes) for name, rows in large.items()) for indexes in sets]


def _rows_left(table: str, rows: float, indexes: frozenset[Index]) -> float:
    widths = [len(index.keys) for index in indexes if index.table == table]
    return min(rows, _ROWS_FOUND * _SHARE_LEFT ** (max(widths) - 1)) if widths else rows
