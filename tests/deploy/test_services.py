"""What is added to services of many kinds: each case is a file with what is there, the diff, and what is left alone.

A new case is a new file of tests/deploy/services; DBMON_WRITE_CASES=1 writes what came out into it, to be read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from making import make

from otel_dbmon.deploy.diff import seen_from, unified
from otel_dbmon.deploy.inventory import Inventory, Service
from otel_dbmon.deploy.journal import Journal
from otel_dbmon.deploy.service import compose
from otel_dbmon.deploy.service.plan import ServicePlan, plan_service

CASES = sorted((Path(__file__).parent / "services").glob("*.yaml"))
SECRETS = Path("/stack/secrets")
REQUIREMENT = "otel-dbmon>=1.2.3,<1.3"


def plan(root: Path, case: dict[str, Any]) -> ServicePlan:
    """The plan of a case's one service; with the compose file's override, if there is one."""
    fields = {"name": "user-svc", "folder": "svc", **case.get("service", {})}
    folder = (root / fields.pop("folder")).resolve()
    env_file = fields.pop("env_file", None)
    service = Service(**fields, folder=folder, env_file=folder / env_file if env_file else None)
    found = plan_service(service, Inventory(root.resolve(), (service,)), SECRETS, REQUIREMENT)
    if found.built is not None:
        environment = {} if service.env_file else found.environment
        found.take(compose.override(found.built.file, [(found.built, environment)], SECRETS))
    return found


def outcome(root: Path, found: ServicePlan) -> dict[str, Any]:
    """What a person would see."""
    lines = [line for change in found.additions.changes for line in unified(change, root.resolve())]
    return {
        "diff": "\n".join(lines) + "\n" if lines else "",
        "left": [f"{seen_from(note.place, root.resolve())}: {note.text}" for note in found.additions.notes],
    }


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_service_gets_what_the_case_says(path: Path, tmp_path: Path) -> None:
    """The diff and the notes; once that is applied, another look finds nothing to do, and undoing it all of it back."""
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    root = tmp_path / "root"
    make(root, {"svc/.keep": "", **case["files"]})
    found = plan(root, case)
    shown = outcome(root, found)
    if os.environ.get("DBMON_WRITE_CASES"):
        path.write_text(path.read_text().partition("\nexpected:")[0].rstrip() + "\n" + dumped(shown))
    assert shown == case.get("expected")
    if found.additions.changes:
        journal = Journal(tmp_path / "stack")
        journal.apply(found.additions.changes, 1)
        again = plan(root, case)
        assert (again.additions.changes, again.additions.notes) == ([], found.additions.notes)
        journal.roll_back()
    for name, content in case["files"].items():
        assert (root / name).read_bytes() == content.encode()


def dumped(shown: dict[str, Any]) -> str:
    """An outcome as a person reads it in a case."""

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return yaml.dump({"expected": shown}, Dumper=Dumper, width=1000, sort_keys=False)
