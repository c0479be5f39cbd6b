"""Declarative configuration (``OTEL_CONFIG_FILE``) sets up the SDK as the file says; we attach to it, unbroken."""

from __future__ import annotations

import pytest
from launching import APPS, run

pytest.importorskip("opentelemetry.configuration", reason="needs opentelemetry-configuration")


def test_a_configuration_file_is_obeyed_and_attached_to() -> None:
    """The file's service name and exporters, our rewriting and metrics, and no warning of ours about arguments."""
    launched = run("statements.py", {"OTEL_CONFIG_FILE": str(APPS / "declarative.yaml")}, receiver_variable="RECEIVER")
    arrived = launched.arrived
    assert {resource["service.name"] for resource in arrived.resources()} == {"declared"}
    assert len(arrived.statements()) == 43
    assert sum(point.count for point in arrived.points("database.query.duration")) == 43
    assert b"canary" not in arrived.raw
    assert "ignoring configurator kwargs" not in launched.errors
