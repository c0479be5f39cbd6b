"""One reading, printed for a pipe: as a table, or as JSON."""

from __future__ import annotations

import json
import math
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from otel_dbmon.cli.screen import plain, show
from otel_dbmon.top import overview
from otel_dbmon.top.columns import Context, cells, layout, services_of
from otel_dbmon.top.history import History
from otel_dbmon.top.reading import Query, Reading

_WIDE = 119


def as_json(reading: Reading, source: str, queries: list[Query]) -> str:
    """All of it; what is not known is null."""
    all_ = reading.totals
    return json.dumps(
        {
            "source": source,
            "at": reading.at,
            "period_s": reading.period,
            "totals": _fields(all_._asdict()),
            "queries": [_fields({**query._asdict(), "mean": query.mean}) for query in queries],
            "pools": [_fields(pool._asdict()) for pool in reading.pools],
            "findings": [_fields(found._asdict()) for found in reading.found],
            "notes": reading.notes,
        },
        indent=2,
    )


def _fields(values: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in values.items()}


def print_table(reading: Reading, source: str, queries: list[Query], on: Console | None = None) -> None:
    """Header, queries and findings, as on the screen."""
    history = History()
    history.add(reading)
    several = len(services_of(reading)) > 1
    shown = layout(_WIDE, several)
    columns = [column for column in shown.columns if not column.title.endswith("trend")]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            column.title, justify="left" if column.title in ("service", "query") else "right", no_wrap=True
        )
    context = Context(sum(query.seconds for query in reading.queries), history, 0)
    for query in queries:
        table.add_row(*cells(query, columns, context))
    head = [plain(source, "bold"), overview.totals(reading, history, 0), overview.pools(reading, several)]
    notes = [plain(note, "dim") for note in reading.notes]
    found = [Text(""), *map(overview.finding, reading.found)] if reading.found else []
    show(Group(*head, *notes, Text(""), table, *found), on)
