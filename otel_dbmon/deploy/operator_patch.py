"""Takes a service, gives the patch of its Deployment that lets the operator put otel-dbmon into its pods."""

from __future__ import annotations

import json
from pathlib import Path

from otel_dbmon.deploy.changes import Change, change
from otel_dbmon.deploy.service.plan import ServicePlan

_INJECT = "instrumentation.opentelemetry.io/inject-python"
_RESOURCE = "resource.opentelemetry.io"


def operator_patch(plan: ServicePlan, output: Path) -> Change:
    """The patch; ``kubectl patch --patch-file`` takes it."""
    service = plan.service
    annotations = {
        _INJECT: "otel-dbmon",
        f"{_RESOURCE}/service.name": service.name,
        **({f"{_RESOURCE}/team": service.team} if service.team else {}),
    }
    lines = "".join(f"        {name}: {json.dumps(value)}\n" for name, value in annotations.items())
    text = f"""\
# For the Deployment of {service.name}, in the namespace {service.namespace}.
spec:
  template:
    metadata:
      annotations:
{lines}"""
    return change(output / "kubernetes" / "services" / f"{service.name}.yaml", text)
