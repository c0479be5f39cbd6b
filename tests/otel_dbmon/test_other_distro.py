"""Beside another vendor's real distro, which sets up the SDK in its own way: ours attaches to whatever that left."""

from __future__ import annotations

import pytest
from launching import run

pytest.importorskip("elasticotel", reason="needs elastic-opentelemetry, which has a session of its own in noxfile.py")

#: Both vendors register a distro and a configurator; these choose Elastic's.
ELASTIC = {"OTEL_PYTHON_DISTRO": "distro", "OTEL_PYTHON_CONFIGURATOR": "configurator"}
#: Elastic sends by gRPC unless told otherwise; the loopback receiver speaks http.
HTTP = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}


def test_elastics_distro_exports_what_we_rewrote() -> None:
    """Every statement once, as a span and in our metrics; no value in anything that its exporters sent."""
    arrived = run("statements.py", {**ELASTIC, **HTTP}).arrived
    assert {resource["telemetry.distro.name"] for resource in arrived.resources()} == {"elastic"}
    assert len(arrived.statements()) == 43
    assert sum(point.count for point in arrived.points("database.query.duration")) == 43
    assert "db.client.connections.usage" not in arrived.metric_names()
    assert b"canary" not in arrived.raw


def test_elastics_distro_sampling_does_not_bias_our_counts() -> None:
    """Its sampler drops everything here; what is recorded only is counted and not exported."""
    arrived = run("statements.py", {**ELASTIC, **HTTP, "OTEL_TRACES_SAMPLER_ARG": "0.0"}).arrived
    assert arrived.spans() == []
    assert sum(point.count for point in arrived.points("database.query.duration")) == 43
