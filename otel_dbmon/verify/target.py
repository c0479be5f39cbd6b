"""What is to be verified: the service's interpreter and environment, the stack's addresses and secrets."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otel_dbmon.deploy.service import env_file


class TargetError(Exception):
    """What the command was given cannot be verified; the message says why."""


#: Where the stack of `otel-dbmon deploy --target compose` listens on its own machine.
LOCAL = {
    "otlp": "https://localhost:4318",
    "otlp_grpc": "https://localhost:4317",
    "gateway": "https://localhost:8889",
    "prometheus": "https://localhost:9090",
    "alertmanager": "https://localhost:9093",
    "grafana": "https://localhost:3000",
}


@dataclass(frozen=True, eq=False)
class Target:
    """Everything that checks look at.

    Attributes:
        service: The service's name, or "".
        python: The interpreter that runs the service.
        environment: The environment that the service is started with.
        addresses: Listener -> address, of those that are known; see ``LOCAL``.
        secrets: The folder of certificates and passwords, or None.
        services: Services that a deployment is to have.
        timeout_s: How long data may take from the service to Prometheus.
    """

    service: str = ""
    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    secrets: Path | None = None
    services: tuple[str, ...] = ()
    timeout_s: float = 90.0

    @property
    def otlp(self) -> str:
        """Where the service sends: what its environment says, or else the stack's agent."""
        return self.environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "") or self.addresses.get("otlp", "")


def of_deployment(folder: Path) -> tuple[dict[str, str], Path, tuple[str, ...]]:
    """Addresses, secrets and services of what `otel-dbmon deploy` laid out.

    Raises:
        TargetError: The folder holds no deployment.
    """
    try:
        record: Any = json.loads((folder / "deployment.json").read_text(encoding="utf-8"))
        services = tuple(str(service["name"]) for service in record["services"])
        addresses = LOCAL if record["target"] == "compose" else {}
    except FileNotFoundError:
        raise TargetError(f"{folder} holds no deployment.json: it is the --output of `otel-dbmon deploy`") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise TargetError(f"{folder / 'deployment.json'} cannot be read") from None
    return dict(addresses), folder / "secrets", services


def environment_of(file: Path | None, own: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process, with what an environment file sets."""
    if file is None:
        return dict(own)
    try:
        return {**own, **env_file.variables(file.read_text(encoding="utf-8"))}
    except OSError as error:
        raise TargetError(f"{file}: {error.strerror}") from None
