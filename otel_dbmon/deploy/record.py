"""Takes a deployment, gives deployment.json: what `otel-dbmon verify` has to know of it; no secrets."""

from __future__ import annotations

import json
from collections.abc import Sequence

from otel_dbmon import __version__
from otel_dbmon.deploy.inventory import Inventory
from otel_dbmon.deploy.service.plan import ServicePlan


def record_of(inventory: Inventory, plans: Sequence[ServicePlan], target: str, phase: int) -> str:
    """The text of the record; the same deployment always gives the same text."""
    record = {
        "version": 1,
        "otel_dbmon": __version__,
        "target": target,
        "phase": phase,
        "namespace": inventory.namespace,
        "services": [
            {
                "name": plan.service.name,
                "phase": plan.service.phase,
                "endpoint": plan.environment["OTEL_EXPORTER_OTLP_ENDPOINT"],
                "namespace": plan.service.namespace,
            }
            for plan in plans
        ],
    }
    return json.dumps(record, indent=2) + "\n"
