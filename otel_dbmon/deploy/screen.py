"""Shows what a deployment would change, did change or took back, in colour on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group
from rich.text import Text

from otel_dbmon.cli.screen import plain, show
from otel_dbmon.deploy.changes import Change
from otel_dbmon.deploy.diff import seen_from, unified
from otel_dbmon.deploy.journal import Apply
from otel_dbmon.deploy.run import Plan
from otel_dbmon.deploy.service.additions import Note

_STYLES = {"+": "green", "-": "red", "@": "cyan", "\\": "dim"}


def show_plan(plan: Plan, here: Path) -> None:
    """The diff of every file, then what is left alone.

    Whole files of the stack are only named: they are those of this release, and there are thousands of lines.
    """
    output = plan.options.output.resolve()
    new = [found for found in plan.changes if found.before is None and found.path.is_relative_to(output)]
    for found in plan.changes:
        if found not in new:
            show(_diff(found, here))
    if new:
        show(Group(Text(f"New in {seen_from(output, here)}:", style="bold"), *(_new(found, output) for found in new)))
        show("")
    _show_notes(plan, here)


def show_outcome(plan: Plan, applied: bool, here: Path) -> None:
    """One line on what was done or would be, and what to do next."""
    names = ", ".join(service.service.name for service in plan.services) or "no service"
    count = len(plan.changes)
    if not count:
        show(f"Phase {plan.phase}: {names}. Nothing to change.")
        return
    files = "1 file" if count == 1 else f"{count} files"
    output = seen_from(plan.options.output.resolve(), here)
    if applied:
        show(Text(f"Phase {plan.phase}: {names}. {files} written.", style="bold green"))
        show(
            f"What to do next is in {output}/DEPLOYMENT.md. To undo it: otel-dbmon deploy --output {output} --rollback"
        )
    else:
        show(Text(f"Phase {plan.phase}: {names}. {files} would be written: nothing was. Add --apply.", style="bold"))


def show_roll_back(undone: Sequence[Apply], left: int) -> None:
    """What was taken back, and what is still there."""
    for apply in undone:
        files = "1 file is" if len(apply.files) == 1 else f"{len(apply.files)} files are"
        show(f"The apply of {apply.at} is undone: {files} as before.")
    if left:
        show(
            f"{left} earlier {'apply is' if left == 1 else 'applies are'} still in place; --rollback again undoes one."
        )


def _diff(change: Change, here: Path) -> Group:
    lines = []
    for line in unified(change, here):
        header = line.startswith(("--- ", "+++ "))
        lines.append(plain(line, "bold" if header else _STYLES.get(line[:1], "")))
    return Group(*lines, Text(""))


def _new(change: Change, output: Path) -> Text:
    size = "secret" if change.is_secret else f"{len(change.after):,} bytes"
    return plain(f"  + {seen_from(change.path, output)} ({size})", "green")


def _show_notes(plan: Plan, here: Path) -> None:
    for service in plan.services:
        _show_group(f"{service.service.name}, left to you:", service.additions.notes, here)
    _show_group("The stack, left to you:", plan.left, here)


def _show_group(title: str, notes: Sequence[Note], here: Path) -> None:
    if notes:
        lines = (plain(f"  {seen_from(note.place, here)}: {note.text}", "yellow") for note in notes)
        show(Group(Text(title, style="bold"), *lines, Text("")))
