"""Takes the options of the command line, runs the checks, shows them and writes evidence."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from difflib import get_close_matches
from pathlib import Path

from otel_dbmon.verify import screen
from otel_dbmon.verify.check import Check
from otel_dbmon.verify.evidence import as_data, write_evidence
from otel_dbmon.verify.registry import CHECKS
from otel_dbmon.verify.run import Outcome, has_failed, run_checks
from otel_dbmon.verify.target import Target, TargetError, environment_of, of_deployment

_WRONG_CALL = 2


@dataclass(frozen=True)
class Wanted:
    """What the command line says, not yet looked at."""

    deployment: Path | None
    service: str
    python: str
    env_file: Path | None
    addresses: Mapping[str, str]
    secrets: Path | None
    checks: Sequence[str]
    timeout_s: float


def verify(wanted: Wanted, as_json: bool, evidence: Path | None) -> int:
    """Run the checks; the answer is the exit code."""
    try:
        checks = _chosen(wanted.checks)
        target = _target(wanted)
    except TargetError as error:
        sys.stderr.write(f"otel-dbmon verify: {error}\n")
        return _WRONG_CALL
    outcomes = _run_silently(checks, target) if as_json else _run_shown(checks, target)
    data = as_data(outcomes, target, datetime.now(timezone.utc))
    if as_json:
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    if evidence is not None:
        written = write_evidence(evidence, data)
        if not as_json:
            screen.show_evidence(written)
    return 1 if has_failed(outcomes) else 0


def list_checks() -> int:
    """Show what there is."""
    screen.show_checks(CHECKS)
    return 0


def _run_silently(checks: Sequence[Check], target: Target) -> list[Outcome]:
    return list(run_checks(checks, target, lambda _check: None))


def _run_shown(checks: Sequence[Check], target: Target) -> list[Outcome]:
    outcomes = []
    with screen.board() as board:
        for outcome in run_checks(checks, target, board.begin):
            board.add(outcome)
            outcomes.append(outcome)
    screen.show_sum(outcomes)
    return outcomes


def _chosen(names: Sequence[str]) -> list[Check]:
    """The checks of these names; a name may be the beginning of several. All of them without names."""
    for name in names:
        if not any(check.name.startswith(name) for check in CHECKS):
            near = get_close_matches(name, [check.name for check in CHECKS], n=1)
            hint = f"; did you mean {near[0]}?" if near else "; --list shows all"
            raise TargetError(f"no check is called {name!r}{hint}")
    return [check for check in CHECKS if not names or check.name.startswith(tuple(names))]


def _target(wanted: Wanted) -> Target:
    addresses: dict[str, str] = {}
    secrets = wanted.secrets
    services: tuple[str, ...] = ()
    if wanted.deployment is not None:
        addresses, own, services = of_deployment(wanted.deployment)
        secrets = secrets or own
    if secrets is not None and not (secrets / "ca.pem").is_file():
        raise TargetError(f"{secrets} holds no ca.pem: it is the folder `secrets` that `otel-dbmon deploy` made")
    return Target(
        service=wanted.service,
        python=wanted.python,
        environment=environment_of(wanted.env_file, os.environ),
        addresses={**addresses, **{name: address for name, address in wanted.addresses.items() if address}},
        secrets=secrets,
        services=services,
        timeout_s=wanted.timeout_s,
    )
