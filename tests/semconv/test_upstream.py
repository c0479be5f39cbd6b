"""The registry against the real thing: the semantic conventions package, the Prometheus exporter, the launcher."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import opentelemetry.semconv._incubating.attributes
import opentelemetry.semconv._incubating.metrics
import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.semconv._incubating.attributes.db_attributes import DbSystemNameValues, DbSystemValues
from opentelemetry.util._importlib_metadata import entry_points
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from generator.registry import Registry, read
from otel_dbmon_semconv import environment_variables
from otel_dbmon_semconv.attributes import DB_SYSTEM_NAME_OF, DbSystemName
from otel_dbmon_semconv.metrics import METRICS
from otel_dbmon_semconv.settings import SETTINGS

_ROOT = Path(__file__).resolve().parents[2]
_FLAGS = "opentelemetry_environment_variables"

#: Databases of the former enum that the present one lacks; a value of one's own says more than ``other_sql``.
_WITHOUT_SUCCESSOR = {
    "coldfusion", "filemaker", "interbase", "pervasive", "pointbase", "progress", "sybase", "vertica",
}  # fmt: skip


@pytest.fixture(scope="module")
def registry() -> Registry:
    """The project's own registry."""
    return read(_ROOT / "semconv" / "registry")


def _constants(package: object) -> Iterator[str]:
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):  # type: ignore[attr-defined]
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, str):
                yield value


def test_upstream_names_exist_upstream(registry: Registry) -> None:
    """Each attribute and metric said to come from the semantic conventions is in their package."""
    known = set(_constants(opentelemetry.semconv._incubating.attributes))
    known |= set(_constants(opentelemetry.semconv._incubating.metrics))
    claimed = {entry.id for entry in (*registry.attributes, *registry.metrics) if "conventions" in entry.upstream}
    assert claimed - known == set()


def test_own_names_are_not_upstream(registry: Registry) -> None:
    """A name without an upstream is ours: no convention gives it another meaning."""
    known = set(_constants(opentelemetry.semconv._incubating.attributes))
    assert {attribute.id for attribute in registry.attributes if not attribute.upstream} & known == set()


def test_database_systems_are_those_of_the_conventions() -> None:
    """The present values of ``db.system.name`` are all there, and no others."""
    assert set(DbSystemName.VALUES) == {member.value for member in DbSystemNameValues}


def test_every_former_database_system_is_known() -> None:
    """Each value ``db.system`` could have is a present one, has a successor, or is on the list of those without."""
    known = {*DbSystemName.VALUES, *DB_SYSTEM_NAME_OF}
    assert {member.value for member in DbSystemValues} - known == _WITHOUT_SUCCESSOR
    assert set(DB_SYSTEM_NAME_OF.values()) <= set(DbSystemName.VALUES)


def test_prometheus_names_are_what_the_exporter_makes() -> None:
    """The Python exporter turns each instrument into the series that the registry promises."""
    reader = PrometheusMetricReader()
    provider = MeterProvider([reader])
    meter = provider.get_meter("test")
    make = {
        "counter": meter.create_counter,
        "gauge": meter.create_gauge,
        "histogram": meter.create_histogram,
        "updowncounter": meter.create_up_down_counter,
    }
    for metric in METRICS:
        instrument = make[metric.kind](metric.name, metric.unit, metric.description)
        act = getattr(instrument, {"gauge": "set", "histogram": "record"}.get(metric.kind, "add"))
        act(1, dict.fromkeys(metric.attributes, "x"))
    registry = CollectorRegistry()
    registry.register(reader._collector)
    scrape = generate_latest(registry).decode()
    provider.shutdown()
    samples = {sample.name: sample for family in text_string_to_metric_families(scrape) for sample in family.samples}
    for metric in METRICS:
        sample = samples[metric.prometheus_name + ("_count" if metric.kind == "histogram" else "")]
        assert {name.replace(".", "_") for name in metric.attributes} <= set(sample.labels)


def test_launcher_flags_are_our_own_and_nobody_elses() -> None:
    """The launcher refuses to start when two modules declare one variable, so ours declares only its own."""
    ours = {name for name in dir(environment_variables) if name.startswith("OTEL_")}
    assert ours == {setting.name for setting in SETTINGS if setting.name.startswith("OTEL_DBMON_")}
    assert all(getattr(environment_variables, name) == name for name in ours)
    for entry_point in entry_points(group=_FLAGS):
        if entry_point.value != environment_variables.__name__:
            assert not ours & set(dir(entry_point.load()))


def test_constants_import_nothing_heavy() -> None:
    """A service pays for names alone: no YAML, no dataclasses, no enum of ours behind the import."""
    code = (
        "import sys, __future__, typing; before = set(sys.modules)\n"
        "import otel_dbmon_semconv.attributes, otel_dbmon_semconv.metrics, otel_dbmon_semconv.settings\n"
        "print(*sorted(name for name in set(sys.modules) - before if not name.startswith('otel_dbmon')))"
    )
    path = str(_ROOT / "semconv")
    answer = subprocess.run(
        [sys.executable, "-S", "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == []


@pytest.mark.parametrize("declaration", [METRICS[0], SETTINGS[0]], ids=["metric", "setting"])
def test_declarations_do_not_change(declaration: object) -> None:
    """What the registry says holds for the life of the process."""
    with pytest.raises(AttributeError, match="does not change"):
        declaration.name = "other"  # type: ignore[attr-defined]


@pytest.mark.skipif(
    all(found.value != environment_variables.__name__ for found in entry_points(group=_FLAGS)),
    reason="the launcher sees only what is installed",
)
def test_the_launcher_turns_flags_into_settings() -> None:
    """``opentelemetry-instrument --dbmon_max_series 7 ...`` reaches the service as OTEL_DBMON_MAX_SERIES."""
    code = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
    service = "import os; print(os.environ['OTEL_DBMON_MAX_SERIES'], os.environ['OTEL_DBMON_ENABLED'])"
    flags = ["--dbmon_max_series", "7", "--dbmon_enabled", "false"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OTEL_SDK_DISABLED": "true"}
    answer = subprocess.run(
        [sys.executable, "-c", code, *flags, sys.executable, "-c", service],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert answer.stdout == "7 false\n"
