"""Takes the options of ``otel-dbmon deploy``, plans, and shows the plan, applies it or takes an apply back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from otel_dbmon import __version__
from otel_dbmon.deploy.certificates import BrokenCertificateError
from otel_dbmon.deploy.changes import Change, change
from otel_dbmon.deploy.credentials import Renewal, plan_secrets
from otel_dbmon.deploy.document import deployment_page
from otel_dbmon.deploy.inventory import Inventory, Service
from otel_dbmon.deploy.journal import Journal
from otel_dbmon.deploy.operator_patch import operator_patch
from otel_dbmon.deploy.problems import DeployError
from otel_dbmon.deploy.record import record_of
from otel_dbmon.deploy.service import compose
from otel_dbmon.deploy.service.additions import Additions, Note
from otel_dbmon.deploy.service.compose import Built
from otel_dbmon.deploy.service.environment import environment_of
from otel_dbmon.deploy.service.plan import ServicePlan, plan_service
from otel_dbmon.deploy.stack import plan_stack

_LAST_PHASE = 100


@dataclass(frozen=True)
class Options:
    """What a person chose.

    Attributes:
        inventory: The services.
        output: The folder of the stack.
        target: Compose or Kubernetes.
        phase: Services of later phases are left alone.
        renewal: Secrets to make anew.
        overwrite: Whether edited files of the stack are replaced.
    """

    inventory: Inventory
    output: Path
    target: str = "compose"
    phase: int = _LAST_PHASE
    renewal: Renewal = field(default_factory=Renewal)
    overwrite: bool = False


@dataclass(frozen=True)
class Plan:
    """Everything that an apply would do.

    Attributes:
        options: What it was made from.
        phase: The phase that it reaches.
        services: What becomes of each service.
        changes: Every file that differs from what it is to be.
        left: Files of the stack that a person keeps.
    """

    options: Options
    phase: int
    services: Sequence[ServicePlan]
    changes: Sequence[Change]
    left: Sequence[Note]


def make_plan(options: Options, journal: Journal) -> Plan:
    """Look at everything, change nothing.

    Raises:
        DeployError: It cannot be planned.
    """
    inventory, output = options.inventory, options.output.resolve()
    phase = _phase(options, journal)
    secrets = output / "secrets"
    plans = [_service_plan(service, options, secrets) for service in inventory.services if service.phase <= phase]
    changes = [found for plan in plans for found in plan.additions.changes]
    changes += _overrides(plans, secrets)
    stack, left = plan_stack(output, inventory, options.target, journal, options.overwrite)
    changes += stack
    domains = (*inventory.domains, f"{inventory.namespace}.svc", f"{inventory.namespace}.svc.cluster.local")
    try:
        changes += plan_secrets(secrets, domains, options.renewal)
    except BrokenCertificateError as error:
        raise DeployError(f"{secrets}: {error}") from None
    if options.target == "kubernetes":
        changes += [operator_patch(plan, output) for plan in plans]
    changes.append(change(output / "deployment.json", record_of(inventory, plans, options.target, phase)))
    page = deployment_page(inventory, plans, left, options.target, phase, output)
    changes.append(change(output / "DEPLOYMENT.md", page))
    return Plan(options, phase, plans, _distinct([found for found in changes if found.is_needed]), left)


def _phase(options: Options, journal: Journal) -> int:
    """The phase asked for, but no service that was set up is forgotten, and no phase is reached that none is in."""
    last = max(service.phase for service in options.inventory.services)
    reached = journal.applies[-1].phase if journal.applies else 0
    return min(max(options.phase, reached), last)


def _service_plan(service: Service, options: Options, secrets: Path) -> ServicePlan:

    if options.target == "kubernetes":
        environment = environment_of(service, options.inventory, secrets, in_container=True)
        text = "its files stay as they are: the operator puts otel-dbmon into its pods"
        return ServicePlan(service, environment, Additions(notes=[Note(service.folder, text)]))
    return plan_service(service, options.inventory, secrets, requirement())


def requirement() -> str:
    """What a service depends on: this release or a later compatible one."""
    major, minor, *_ = __version__.split(".")
    return f"otel-dbmon>={__version__},<{major}.{int(minor) + 1}"


def _overrides(plans: Sequence[ServicePlan], secrets: Path) -> list[Change]:
    """One override for each compose file, for all services that it builds."""
    wanted: dict[Path, list[tuple[ServicePlan, Built, Mapping[str, str]]]] = {}
    for plan in plans:
        if plan.built is not None:
            environment = {} if plan.service.env_file else plan.environment
            wanted.setdefault(plan.built.file, []).append((plan, plan.built, environment))
    changes = []
    for file, entries in wanted.items():
        additions = compose.override(file, [(built, environment) for _, built, environment in entries], secrets)
        changes += additions.changes
        for plan, _, _ in entries:
            plan.additions.facts += additions.facts
        entries[0][0].additions.notes += additions.notes
    return changes


def _distinct(changes: list[Change]) -> list[Change]:
    found: dict[Path, Change] = {}
    for one in changes:
        if found.setdefault(one.path, one) != one:
            raise DeployError(f"{one.path}: two services would change it; give each a file of its own")
    return list(found.values())
