"""The table of what is compared: clients, what they do, and where the three counts may differ and why."""

from __future__ import annotations

#: What a client may do; a client's methods of these names are its cells.
COLUMNS = (
    "plain",
    "executemany",
    "insertmanyvalues",
    "server_side_cursor",
    "named_cursor",
    "stream",
    "copy_in",
    "copy_out",
    "pipeline",
    "pipeline_error",
    "nested",
    "gather",
    "threads",
    "cancelled",
    "timed_out",
    "refused",
    "deadlock",
    "killed",
    "blank",
)
