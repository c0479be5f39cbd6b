"""What the distro and the one line do to a process's environment."""

from __future__ import annotations

import os

import pytest

import otel_dbmon
from otel_dbmon import distro


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without OpenTelemetry, restored afterwards."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name in distro.DEFAULTS:
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    return monkeypatch


def test_defaults_are_set_where_nothing_is_set(environment: pytest.MonkeyPatch) -> None:
    """OTLP over http/protobuf, stable database names; the propagators are not touched."""
    distro.Distro().configure()
    assert {name: os.environ[name] for name in distro.DEFAULTS} == distro.DEFAULTS
    assert "OTEL_PROPAGATORS" not in os.environ


def test_the_user_wins(environment: pytest.MonkeyPatch) -> None:
    """Whatever is set stays, an empty value too."""
    chosen = dict.fromkeys(distro.DEFAULTS, "chosen") | {"OTEL_TRACES_EXPORTER": ""}
    for name, value in chosen.items():
        environment.setenv(name, value)
    distro.Distro().configure()
    assert {name: os.environ[name] for name in chosen} == chosen


@pytest.mark.parametrize(("asked", "left"), [("prometheus", "none"), ("otlp, prometheus", "otlp"), ("otlp", "otlp")])
def test_our_endpoint_takes_the_place_of_the_stock_one(environment: pytest.MonkeyPatch, asked: str, left: str) -> None:
    """The stock reader would bind the port once per process, and fail in the second."""
    environment.setenv("OTEL_METRICS_EXPORTER", asked)
    distro.Distro().configure()
    assert os.environ["OTEL_METRICS_EXPORTER"] == left


def test_switched_off_it_sets_nothing(environment: pytest.MonkeyPatch) -> None:
    """Not a single variable."""
    environment.setenv("OTEL_DBMON_ENABLED", "false")
    before = dict(os.environ)
    distro.Distro().configure()
    assert dict(os.environ) == before


def test_a_wrong_argument_of_the_one_line_is_refused_before_anything_happens() -> None:
    """An argument is code, so its author is told at once and with the nearest name."""
    with pytest.raises(ValueError, match="slow_query_threshold"):
        otel_dbmon.instrument(slow_query_treshold=5)


def test_the_package_says_what_it_has_not() -> None:
    """A wrong name is an AttributeError like in any module."""
    with pytest.raises(AttributeError, match="instrumant"):
        _ = otel_dbmon.instrumant
