"""`otel-dbmon verify` on environments of many kinds: what it finds wrong, and that it says what to do.

An interpreter's environment is a real one without pip, whose metadata is written by hand: nothing in it is imported.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from otel_dbmon import __version__
from otel_dbmon.command import main
from otel_dbmon.deploy.certificates import authority, leaf
from otel_dbmon.deploy.credentials import create_secrets
from otel_dbmon.verify.registry import CHECKS

DISTRO = {
    "opentelemetry_distro": ["dbmon"],
    "opentelemetry_configurator": ["dbmon"],
    "opentelemetry_traces_exporter": ["otlp", "console"],
    "opentelemetry_metrics_exporter": ["otlp"],
}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter's environment with nothing in it."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


class Environment:
    """What is installed for one test."""

    def __init__(self, folder: Path) -> None:
        self.python = folder / "bin" / "python"
        (self._packages,) = folder.glob("lib/python*/site-packages")

    def install(
        self, name: str, version: str, requires: Sequence[str] = (), points: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Write what pip would write about a distribution."""
        folder = self._packages / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (folder / "METADATA").write_text("\n".join(lines) + "\n")
        groups = (points or {}).items()
        text = "".join(f"[{group}]\n" + "".join(f"{one} = {name}:x\n" for one in names) for group, names in groups)
        (folder / "entry_points.txt").write_text(text)


@pytest.fixture
def environment(bare: Path, tmp_path: Path) -> Environment:
    """One with a complete otel-dbmon."""
    folder = tmp_path / "environment"
    subprocess.run(["cp", "-a", str(bare), str(folder)], check=True)
    made = Environment(folder)
    made.install("otel-dbmon", __version__, ["opentelemetry-sdk>=1.44", 'click; extra == "cli"'], DISTRO)
    made.install("opentelemetry-sdk", "1.45.1")
    return made


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the variables of the tests' own environment away."""
    for name in list(os.environ):
        if name.startswith(("OTEL_", "SENTRY_")) or name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name)


def verify(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    """What a check answers; of several, the last."""
    code = main(["verify", "--json", *map(str, arguments)])
    data = json.loads(capsys.readouterr().out)
    assert code == (0 if data["passed"] else 1)
    found: dict[str, Any] = data["checks"][-1]
    if found["status"] in ("failed", "warning"):
        assert found["advice"]
    return found


def checked(capsys: pytest.CaptureFixture[str], environment: Environment, check: str) -> tuple[str, str]:
    """Status and detail of one check of an interpreter."""
    found = verify(capsys, "--python", environment.python, "--only", check)
    return found["status"], found["detail"]


def test_a_complete_environment(environment: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    """Versions are named."""
    status, detail = checked(capsys, environment, "versions")
    assert (status, f"otel-dbmon {__version__}, OpenTelemetry 1.45.1" in detail) == ("ok", True)
    for check in ("distros", "exporters", "instrumentations"):
        assert checked(capsys, environment, check)[0] == "ok"


def test_nothing_is_installed(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what to install."""
    status, detail = checked(capsys, Environment(bare), "versions")
    assert (status, "otel-dbmon is not installed" in detail) == ("failed", True)


def test_versions_that_do_not_go_together(environment: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    """A requirement that another version is there for, and one that nothing is there for."""
    environment.install("opentelemetry-exporter-otlp", "1.40.0", ["opentelemetry-sdk~=1.40.0", "opentelemetry-proto"])
    status, detail = checked(capsys, environment, "versions")
    assert status == "failed"
    assert "opentelemetry-exporter-otlp needs opentelemetry-sdk~=1.40.0, it has 1.45.1" in detail
    assert "needs opentelemetry-proto, it is not installed" in detail


def test_a_sqlalchemy_that_upstream_refuses(environment: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    """Is told of; otel-dbmon instruments it all the same."""
    requires = ['sqlalchemy<2.1.0,>=1.0.0; extra == "instruments"']
    environment.install("opentelemetry-instrumentation-sqlalchemy", "0.66b0", requires)
    environment.install("SQLAlchemy", "2.1.0")
    status, detail = checked(capsys, environment, "instrumentations")
    assert (status, "refuses sqlalchemy 2.1.0" in detail) == ("warning", True)


def test_a_library_that_is_not_seen(environment: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    """Its version is one that the instrumentation does nothing for."""
    environment.install("opentelemetry-instrumentation-flask", "0.66b0", ['flask>=1.0,<3; extra == "instruments"'])
    environment.install("flask", "3.0")
    assert checked(capsys, environment, "instrumentations")[0] == "failed"


def test_a_driver_without_its_instrumentation(environment: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    """May be well below SQLAlchemy."""
    environment.install("asyncpg", "0.30.0")
    status, detail = checked(capsys, environment, "instrumentations")
    assert (status, "asyncpg is installed and not instrumented" in detail) == ("warning", True)


def test_two_distros(
    environment: Environment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either may be taken, unless one is named; one that is not there cannot be."""
    environment.install("elastic-opentelemetry", "1.0", points={"opentelemetry_distro": ["elastic"]})
    status, detail = checked(capsys, environment, "distros")
    assert (status, "dbmon, elastic" in detail) == ("warning", True)
    monkeypatch.setenv("OTEL_PYTHON_DISTRO", "dbmon")
    assert checked(capsys, environment, "distros")[0] == "ok"
    monkeypatch.setenv("OTEL_PYTHON_DISTRO", "nobody")
    assert checked(capsys, environment, "distros")[0] == "failed"


def test_an_exporter_that_is_not_there(
    environment: Environment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service asks for it by name."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    assert checked(capsys, environment, "exporters")[0] == "failed"
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp,console")
    assert checked(capsys, environment, "exporters")[0] == "ok"


def test_an_interpreter_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Fails the check, and says how to name another."""
    found = verify(capsys, "--python", "/nowhere/python", "--only", "versions")
    assert (found["status"], "--python" in found["advice"]) == ("failed", True)


SETTINGS = [
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://agent:4318"}, "ok", "every value is used"),
    ({}, "warning", "is not set"),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://agent:4318"}, "warning", "not encrypted"),
    ({"OTEL_DBMON_SLOW_QUERY_THRESHOLD": "quick"}, "failed", "OTEL_DBMON_SLOW_QUERY_THRESHOLD"),
    ({"OTEL_DBMON_ENABLED": "false"}, "failed", "switches otel-dbmon off"),
    ({"OTEL_SDK_DISABLED": "true"}, "failed", "switches everything off"),
    (
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "https://agent:4318",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca.pem",
            "REQUESTS_CA_BUNDLE": "/other.pem",
        },
        "warning",
        "REQUESTS_CA_BUNDLE is set",
    ),
]


@pytest.mark.parametrize(("variables", "status", "told"), SETTINGS)
def test_settings(
    variables: dict[str, str], status: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From an environment file."""
    file = tmp_path / ".env"
    file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    found = verify(capsys, "--env-file", file, "--only", "settings")
    assert (found["status"], told in found["detail"]) == (status, True), found


def test_certificates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that ends soon, one that has ended, a key for all to read, a file that is none."""
    create_secrets(tmp_path)
    arguments = ["--secrets", tmp_path, "--only", "certificates"]
    assert verify(capsys, *arguments)["status"] == "ok"
    for days, status, told in ((380, "warning", "ends in 1"), (420, "failed", "ended 2")):
        then = datetime.now(timezone.utc) - timedelta(days=days)
        pair = leaf(None, authority(None, then), "agent", ("agent",), then)
        (tmp_path / "agent.pem").write_bytes(pair.certificate)
        found = verify(capsys, *arguments)
        assert (found["status"], told in found["detail"]) == (status, True), found
    (tmp_path / "agent.pem").write_text("hello")
    (tmp_path / "agent.key").chmod(0o644)
    detail = verify(capsys, *arguments)["detail"]
    assert "agent.pem: no certificate" in detail
    assert "agent.key: others may read it" in detail


def test_values_stay_in_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    """A real statement, under the launcher, into a receiver that sees every byte."""
    found = verify(capsys, "--only", "sanitizing")
    assert (found["status"], "no value in" in found["detail"]) == ("ok", True), found


LEAKY = """#!{python}
import os, urllib.request
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
request = ExportTraceServiceRequest()
request.resource_spans.add().scope_spans.add().spans.add().name = "SELECT '" + os.environ["DBMON_CANARY"] + "'"
endpoint = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces"
urllib.request.urlopen(urllib.request.Request(endpoint, request.SerializeToString(), method="POST")).read()
print('{{"how": "a leak", "complaints": []}}')
"""


def test_a_value_that_leaves_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever sends it: here something that stands in the launcher's place."""
    launcher = tmp_path / "opentelemetry-instrument"
    launcher.write_text(LEAKY.format(python=sys.executable))
    launcher.chmod(0o755)
    (tmp_path / "python").symlink_to(sys.executable)
    found = verify(capsys, "--python", tmp_path / "python", "--only", "sanitizing")
    assert (found["status"], found["detail"]) == ("failed", "a value left the process")


def test_nobody_takes_the_telemetry(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter's complaint is told."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    found = verify(capsys, "--otlp", "http://127.0.0.1:1", "--only", "accepted")
    assert found["status"] == "failed"


def test_every_check_has_a_name_of_its_own() -> None:
    """And a sentence."""
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert all(re.fullmatch(r"[A-Z].*\.", check.shows) for check in CHECKS)


def test_checks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """With what each shows."""
    assert main(["verify", "--list"]) == 0
    shown = capsys.readouterr().out
    assert all(check.name in shown and check.shows in shown for check in CHECKS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--only", "version-s"], "did you mean versions?"),
        (["--deployment", "nowhere"], "holds no deployment.json"),
        (["--secrets", "."], "holds no ca.pem"),
        (["--env-file", "nowhere"], "No such file"),
    ],
)
def test_a_wrong_call(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is told of, with the exit code of one."""
    monkeypatch.chdir(tmp_path)
    assert main(["verify", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_the_compliance_page_names_checks_that_exist() -> None:
    """Every name in its column of evidence is that of a check, and every check that can be evidence is on it."""
    page = (Path(__file__).parents[2] / "docs" / "compliance.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith(("| GDPR", "| SOC 2", "| HIPAA"))]
    named = {name for row in rows for name in re.findall(r"`([a-z-]+\*?)`", row[3])}
    names = {check.name for check in CHECKS}
    assert len(rows) > 20
    for name in named:
        assert name in names or (name.endswith("*") and any(one.startswith(name[:-1]) for one in names)), name
