"""Takes a service, gives the variables that make it send to the stack under its name; those of the inventory win."""

from __future__ import annotations

from pathlib import Path

from otel_dbmon.deploy.inventory import Inventory, Service
from otel_dbmon.deploy.service.compose import MOUNTED

_PORT = 4318


def environment_of(service: Service, inventory: Inventory, secrets: Path, in_container: bool) -> dict[str, str]:
    """The variables of one service.

    Args:
        service: The service.
        inventory: What holds for all services.
        secrets: The folder of the certificates on this machine.
        in_container: Whether it runs in a container, where the certificates are mounted.
    """
    endpoint = service.endpoint or f"https://{'agent' if in_container else 'localhost'}:{_PORT}"
    found = {
        "OTEL_SERVICE_NAME": service.name,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
    if endpoint.startswith("https:"):
        folder = MOUNTED if in_container else str(secrets)
        found |= {
            "OTEL_EXPORTER_OTLP_CERTIFICATE": f"{folder}/ca.pem",
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": f"{folder}/service.pem",
            "OTEL_EXPORTER_OTLP_CLIENT_KEY": f"{folder}/service.key",
        }
    resource = {"deployment.environment.name": inventory.stage, "team": service.team}
    attributes = ",".join(f"{name}={value}" for name, value in resource.items() if value)
    if attributes:
        found["OTEL_RESOURCE_ATTRIBUTES"] = attributes
    # Metrics go to the agent as well, so nothing needs to listen without authentication.
    found["OTEL_DBMON_PROMETHEUS"] = "false"
    return {**found, **service.environment}
