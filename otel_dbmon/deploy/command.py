"""Takes what the command line says, deploys or rolls back under the folder's lock, and says what happened."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from otel_dbmon.deploy import screen
from otel_dbmon.deploy.credentials import Renewal
from otel_dbmon.deploy.inventory import from_arguments, read_inventory, schema
from otel_dbmon.deploy.journal import Apply, Journal
from otel_dbmon.deploy.problems import DeployError
from otel_dbmon.deploy.run import Options, make_plan

__all__ = ["Wanted", "deploy", "roll_back", "schema"]


@dataclass(frozen=True)
class Wanted:
    """What the command line says, not yet looked at."""

    inventory: Path | None
    services: tuple[str, ...]
    output: Path
    target: str
    phase: int
    renew: frozenset[str]
    overwrite: bool


def deploy(wanted: Wanted, is_apply: bool) -> int:
    """Plan, show, and apply if told to; the answer is the exit code."""
    return _saying_why(lambda: _deploy(wanted, is_apply))


def roll_back(output: Path, everything: bool, force: bool) -> int:
    """Undo the last apply, or every one; the answer is the exit code."""
    return _saying_why(lambda: _roll_back(output, everything, force))


def _deploy(wanted: Wanted, is_apply: bool) -> None:
    if wanted.inventory is not None:
        inventory = read_inventory(wanted.inventory)
    else:
        inventory = from_arguments(wanted.services, Path.cwd())
    renewal = Renewal(
        certificates="certificates" in wanted.renew,
        authority="authority" in wanted.renew,
        passwords="passwords" in wanted.renew,
    )
    options = Options(inventory, wanted.output, wanted.target, wanted.phase, renewal, wanted.overwrite)
    here = Path.cwd()
    journal = Journal(wanted.output)
    with journal.locked():
        if journal.is_interrupted:
            if not is_apply:
                raise DeployError("an earlier apply was interrupted; --rollback or --apply clears it away first")
            screen.show_roll_back([journal.roll_back()], 0)
        plan = make_plan(options, journal)
        screen.show_plan(plan, here)
        if is_apply and plan.changes:
            journal.apply(plan.changes, plan.phase)
        screen.show_outcome(plan, is_apply, here)


def _roll_back(output: Path, everything: bool, force: bool) -> None:
    journal = Journal(output)
    undone: list[Apply] = []
    with journal.locked():
        while not undone or (everything and journal.applies):
            undone.append(journal.roll_back(force))
    screen.show_roll_back(undone, len(journal.applies))


def _saying_why(call: Callable[[], None]) -> int:
    try:
        call()
    except DeployError as error:
        sys.stderr.write("".join(f"otel-dbmon deploy: {line}\n" for line in str(error).splitlines()))
        return error.exit_code
    return 0
