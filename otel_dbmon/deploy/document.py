"""Takes what was planned, gives DEPLOYMENT.md: what is in place, what is left to a person, how to go on and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from otel_dbmon.deploy.diff import seen_from
from otel_dbmon.deploy.inventory import Inventory
from otel_dbmon.deploy.service.additions import Note
from otel_dbmon.deploy.service.plan import ServicePlan

_START = {
    "compose": """\
    docker compose up --detach --wait           # the stack
    docker compose --profile database up -d     # and a PostgreSQL with it, if you have none

Services join the network `otel-dbmon-services`, which has no way out; telemetry and the database have networks of
their own. Start each service again, with its new dependency installed. Containers of the stack run as the owner of
`secrets/` and write below `data/`.""",
    "kubernetes": """\
    docker build -f kubernetes/autoinstrumentation.dockerfile -t otel-dbmon-autoinstrumentation:0.1.0 .
    kubectl label namespace NAMESPACE otel-dbmon/monitored=true     # each namespace of services
    kubectl apply -k .                                              # the stack

The OpenTelemetry operator has to be in the cluster. A service needs no change of its image: the operator puts
otel-dbmon into its pods, once `kubernetes/services/<service>.yaml` is applied to its Deployment:

    kubectl -n NAMESPACE patch deployment SERVICE --patch-file kubernetes/services/SERVICE.yaml""",
}

_VERIFY = {
    "compose": "    otel-dbmon verify --deployment .",
    "kubernetes": """\
    kubectl -n NAMESPACE port-forward service/prometheus 9090 &  # and alertmanager 9093, gateway 8889, agent 4318
    otel-dbmon verify --deployment . --prometheus https://localhost:9090 --alertmanager https://localhost:9093 \\
        --gateway https://localhost:8889 --otlp https://localhost:4318""",
}


def deployment_page(
    inventory: Inventory, plans: Sequence[ServicePlan], left: Sequence[Note], target: str, phase: int, output: Path
) -> str:
    """The text of DEPLOYMENT.md; the same deployment always gives the same text.

    Args:
        inventory: What is to be monitored.
        plans: The services that are set up.
        left: Notes about the stack's own files.
        target: Compose or Kubernetes.
        phase: The phase of the roll-out.
        output: The folder of the page.
    """
    later = [service.name for service in inventory.services if service.phase > phase]
    parts = [
        "# This deployment of otel-dbmon",
        "Written by `otel-dbmon deploy`; the next apply writes it again.",
        f"Phase {phase}: {', '.join(plan.service.name for plan in plans) or 'no service'}."
        + (f" Later: {', '.join(later)} (`otel-dbmon deploy ... --phase {phase + 1} --apply`)." if later else ""),
        "## Start it",
        _START[target],
        "## Prove it",
        _VERIFY[target],
        "Each check says what it looked at, and what to do where it fails.",
        "## Services",
        *(_service(plan, output, inventory.root) for plan in plans),
        "## Secrets",
        "`secrets/` is for its owner alone. `ca.key` is needed for nothing but issuing: keep it where this command"
        " runs, mount it nowhere. Certificates hold for 13 months; any `--apply` in the last two renews them. `--renew"
        " certificates`, `--renew passwords` and `--renew authority` make new ones at once; restart the stack then.",
        *(["## The stack, left to you", _bullets(left, output)] if left else []),
        "## Go back",
        "    otel-dbmon deploy --output . --rollback",
        "undoes the last apply, byte for byte; again, the one before. Files that were changed since are never lost"
        " that way: it says which they are, and does nothing.",
    ]
    return "\n\n".join(parts) + "\n"


def _service(plan: ServicePlan, output: Path, root: Path) -> str:
    lines = [f"### {plan.service.name}", f"In `{seen_from(plan.service.folder, root)}`."]
    if plan.additions.facts:
        lines.append(_bullets(plan.additions.facts, root))
    if plan.additions.notes:
        lines += ["Left to you:", _bullets(plan.additions.notes, root)]
    # Values may be secrets: whoever may see them finds them where they are used.
    lines.append("Variables: " + ", ".join(f"`{name}`" for name in plan.environment) + ".")
    return "\n\n".join(lines)


def _bullets(notes: Sequence[Note], root: Path) -> str:
    return "\n".join(f"- `{seen_from(note.place, root)}`: {note.text}" for note in notes)
