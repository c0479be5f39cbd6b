"""The table of what is compared: what each client does, and where the counts may differ and why.

A cell is one thing that one client does on a table of its own. Three counts must be equal: what the server counted,
what ``database.query.duration`` counted, and the spans; a batch is one span that says how many operations it holds.
"""

from __future__ import annotations

#: What each client does; the methods of its class in ``apps/`` have these names.
CLIENTS = {
    "core": """plain executemany insertmanyvalues server_side_cursor copy_in copy_out nested threads cancelled timed_out
               refused deadlock killed blank""",
    "orm": """plain executemany insertmanyvalues server_side_cursor nested threads cancelled timed_out deadlock
              killed""",
    "aio_psycopg": """plain executemany insertmanyvalues server_side_cursor nested gather cancelled timed_out refused
                      deadlock killed blank""",
    "aio_asyncpg": """plain executemany insertmanyvalues server_side_cursor nested gather cancelled timed_out refused
                      deadlock killed blank""",
    "core_pg2": """plain executemany insertmanyvalues server_side_cursor copy_in nested threads cancelled timed_out
                   refused deadlock killed blank""",
    "psycopg": """plain executemany named_cursor stream copy_in copy_out pipeline pipeline_error nested threads
                  cancelled timed_out refused deadlock killed blank""",
    "psycopg_aio": """plain executemany named_cursor stream copy_in copy_out pipeline pipeline_error nested gather
                      cancelled timed_out refused deadlock killed blank""",
    "pool": """plain executemany named_cursor stream copy_in copy_out pipeline pipeline_error nested threads cancelled
               timed_out refused deadlock killed blank""",
    "pool_aio": """plain executemany named_cursor stream copy_in copy_out pipeline pipeline_error nested gather
                   cancelled timed_out refused deadlock killed blank""",
    "psycopg2": """plain executemany insertmanyvalues named_cursor copy_in copy_out threads cancelled timed_out refused
                   killed blank""",
    "asyncpg": """plain executemany named_cursor copy_in copy_out nested gather cancelled timed_out refused deadlock
                  killed blank""",
    "core_sqlite": "plain executemany insertmanyvalues nested threads cancelled timed_out blank",
    "sqlite3": "plain executemany nested threads cancelled timed_out blank",
}

#: Every column, in the order in which it is printed.
COLUMNS = tuple(dict.fromkeys(" ".join([CLIENTS["core"], CLIENTS["psycopg"], CLIENTS["asyncpg"]]).split()))

#: Columns in which the server counts fewer than we do: by how many for each client, and why. docs/counting.md has them.
LISTED = {
    "blank": (4, "a text without a statement was sent and answered; servers count nothing"),
    "pipeline_error": (1, "behind a failed statement of a pipeline PostgreSQL skips what was sent, and counts nothing"),
}

#: The metric label ``error_type`` of the one failure in a column.
ERROR_TYPES = {
    "nested": "integrity",
    "pipeline_error": "data",
    "cancelled": "cancelled",
    "timed_out": "timeout",
    "refused": "connection",
    "deadlock": "deadlock",
    "killed": "connection",
}


def cells() -> list[tuple[str, str]]:
    """All pairs of a client and what it does."""
    return [(client, column) for client, columns in CLIENTS.items() for column in columns.split()]


def table(client: str, column: str) -> str:
    """The table that only this cell's statements name; no name is part of another."""
    return f"m_{client}_{column}_x"
