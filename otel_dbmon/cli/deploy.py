"""The command ``otel-dbmon deploy``: takes an inventory and options, shows the plan, applies it or rolls back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

_OUTPUT = Path("otel-dbmon-stack")
_LAST_PHASE = 100
_LIBRARIES = ("bcrypt", "cryptography", "jsonschema", "packaging", "requests", "ruamel", "tomlkit")
_MISSING_EXTRA = 'It needs the "deploy" extra: pip install "otel-dbmon[deploy]"'


@contextmanager
def needs_extra() -> Iterator[None]:
    """Say which extra brings what cannot be imported."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _LIBRARIES:
            raise
        raise click.UsageError(_MISSING_EXTRA) from None


def _phase(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    if value == "all":
        return _LAST_PHASE
    if value.isdecimal() and 1 <= int(value) <= _LAST_PHASE:
        return int(value)
    raise click.BadParameter(f"expected a number from 1 to {_LAST_PHASE}, or all.")


@click.command(
    epilog="""\b
Examples:
  otel-dbmon deploy --services services.yaml
  otel-dbmon deploy --service user-svc=./backend/user-svc --output stack --apply
  otel-dbmon deploy --services services.yaml --phase 1 --apply
  otel-dbmon deploy --output stack --rollback
  otel-dbmon deploy --schema > services.schema.json"""
)
@click.option(
    "--services",
    "inventory",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The inventory, in YAML.",
)
@click.option("--service", "services", multiple=True, metavar="NAME=FOLDER", help="A service, instead of an inventory.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=_OUTPUT,
    show_default=True,
    help="The folder of the stack.",
)
@click.option(
    "--target",
    type=click.Choice(["compose", "kubernetes"]),
    default="compose",
    show_default=True,
    help="What the stack runs on.",
)
@click.option(
    "--phase",
    metavar="N|all",
    default="all",
    show_default=True,
    callback=_phase,
    help="Set up services of phase 1 to N only; the first service alone is phase 1 if the inventory says nothing.",
)
@click.option("--apply", "is_apply", is_flag=True, help="Write it all; without it, only the differences are shown.")
@click.option("--rollback", is_flag=True, help="Undo the last apply to the output folder, exactly.")
@click.option("--all", "everything", is_flag=True, help="With --rollback: undo every apply.")
@click.option("--force", is_flag=True, help="With --rollback: files that were changed since lose that.")
@click.option(
    "--renew",
    type=click.Choice(["certificates", "authority", "passwords"]),
    multiple=True,
    help="Make these secrets anew although they are good.",
)
@click.option("--overwrite", is_flag=True, help="Replace files of the stack that were edited.")
@click.option("--schema", is_flag=True, help="Print the JSON schema of an inventory.")
def deploy(
    inventory: Path | None,
    services: tuple[str, ...],
    output: Path,
    target: str,
    phase: int,
    is_apply: bool,
    rollback: bool,
    everything: bool,
    force: bool,
    renew: tuple[str, ...],
    overwrite: bool,
    schema: bool,
) -> int:
    """Set up services and lay out the stack that they send to.

    Adds the dependency, the environment and the launcher to each service, and writes the collectors' configuration,
    rules, dashboards, certificates and passwords to the output folder. Shows what it would do, unless told to --apply;
    twice changes nothing; --rollback undoes it.
    """
    with needs_extra():
        from otel_dbmon.deploy import command
    if schema:
        click.echo(json.dumps(command.schema(), indent=2))
        return 0
    if rollback:
        if is_apply or inventory or services:
            raise click.UsageError("--rollback goes with --output, --all and --force only.")
        return command.roll_back(output, everything, force)
    if bool(inventory) == bool(services):
        raise click.UsageError("Give either --services FILE or --service NAME=FOLDER.")
    if everything or force:
        raise click.UsageError("--all and --force go with --rollback.")
    wanted = command.Wanted(inventory, services, output, target, phase, frozenset(renew), overwrite)
    return command.deploy(wanted, is_apply)
