"""Shows renderables on standard output: in colour and in the terminal's width there, whole and plain anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

#: In a file or a pipe nothing is folded: lines there are for other programs.
_UNBOUNDED = 20_000
#: A statement may hold anything; its control characters must not reach the terminal.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in (0x09, 0x0A)}


def console() -> Console:
    """A console on the standard output of this moment; rich itself heeds ``NO_COLOR``."""
    is_terminal = sys.stdout.isatty()
    return Console(file=sys.stdout, width=None if is_terminal else _UNBOUNDED, highlight=False, soft_wrap=False)


@contextmanager
def progress(what: str) -> Iterator[Callable[[str], None]]:
    """Say on standard error what is being done, as long as it is, and only on a terminal.

    Args:
        what: What it is in all.

    Returns:
        Takes what it is just now.
    """
    with Console(stderr=True).status(what) as status:
        yield lambda step: status.update(f"{what}: {step}")


def show(renderable: RenderableType, on: Console | None = None) -> None:
    """Print one renderable; without a terminal, no line ends with blanks."""
    target = console() if on is None else on
    if target.is_terminal:
        target.print(renderable)
        return
    with target.capture() as captured:
        target.print(renderable)
    for line in captured.get().splitlines():
        target.file.write(line.rstrip() + "\n")


def grid(rows: list[tuple[str, str | Text]]) -> Table:
    """Names in a narrow column on the left, what they stand for on the right."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, plain(value) if isinstance(value, str) else value)
    return table


def plain(text: str, style: str = "") -> Text:
    """Text that is shown as it is: nothing in it is markup or an escape sequence."""
    return Text(text.translate(_CONTROLS), style=style)
