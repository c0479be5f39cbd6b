"""What `otel-dbmon deploy` lays out, run by the real programs: data gets through, and strangers get nowhere."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from deployed_stack import Stack, collector
from making import make
from programs import need

from otel_dbmon.command import main
from otel_dbmon.deploy.credentials import Renewal, create_secrets

LISTENERS = ("prometheus", "alertmanager", "otlp", "otlp_grpc", "gateway")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A deployment that runs."""
    programs = need("prometheus"), need("alertmanager", "prometheus-alertmanager")
    root = tmp_path_factory.mktemp("root")
    make(root, {"user-svc/requirements.txt": "flask\n"})
    command = ["deploy", "--service", f"user-svc={root / 'user-svc'}", "--output", str(root / "stack"), "--apply"]
    assert main(command) == 0
    with Stack(root / "stack", *programs, collector()).running() as running:
        yield running


@pytest.fixture(autouse=True)
def without_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the exporter use the authority that it is given: a bundle of the tests' own environment would replace it."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def verify(stack: Stack, capsys: pytest.CaptureFixture[str], *arguments: str, secrets: Path | None = None) -> Any:
    """What `otel-dbmon verify --json` answers, by check, and whether it passed."""
    addresses = [f"--{name.replace('_', '-')}={address}" for name, address in stack.addresses.items()]
    command = [
        "verify",
        "--json",
        "--secrets",
        str(secrets or stack.secrets),
        "--timeout",
        "60",
        *addresses,
        *arguments,
    ]
    code = main(command)
    data = json.loads(capsys.readouterr().out)
    assert code == (0 if data["passed"] else 1)
    return {entry["check"]: entry for entry in data["checks"]}


def needs(stack: Stack, listener: str) -> None:
    """Skip what needs a collector where none is built."""
    if listener not in stack.addresses:
        pytest.skip("no collector is built: `make collector`")


def test_a_deployment_works(stack: Stack, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Every check passes: a statement gets to Prometheus, rules and Alertmanager are there, nobody else gets in."""
    needs(stack, "gateway")
    evidence = tmp_path / "evidence"
    found = verify(stack, capsys, "--evidence", str(evidence))
    failed = {name: entry["detail"] for name, entry in found.items() if entry["status"] == "failed"}
    assert not failed, (failed, stack.log("agent"), stack.log("gateway"))
    wanted = {"sanitizing", "accepted", "collector", "prometheus", "rules", "alertmanager", "certificates"}
    assert {found[name]["status"] for name in wanted} == {"ok"}
    written = json.loads((evidence / "evidence.json").read_text())
    assert written["passed"] is True
    assert "| `prometheus` | ok |" in (evidence / "evidence.md").read_text()


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_listener_refuses_strangers(stack: Stack, listener: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without TLS, without a certificate, with another authority's; with passwords, without or with a wrong one."""
    needs(stack, listener)
    name = f"strangers-{listener.replace('_', '-')}"
    found = verify(stack, capsys, "--only", name)[name]
    assert found["status"] == "ok", found
    strangers = ["no TLS", "no certificate", "a certificate of another authority"]
    if listener in ("prometheus", "alertmanager"):
        strangers += ["no password", "a wrong password"]
    assert found["detail"].partition(" refuses ")[2] == ", ".join(strangers)


@pytest.mark.parametrize("listener", ["prometheus", "alertmanager"])
def test_requests_sees_the_same(stack: Stack, listener: str, tmp_path: Path) -> None:
    """Another client than ours is refused and let in as well."""
    create_secrets(tmp_path)
    url = f"{stack.addresses[listener]}/-/ready"
    password = (stack.secrets / "operator.password").read_text()
    own = (str(stack.secrets / "operator.pem"), str(stack.secrets / "operator.key"))
    theirs = (str(tmp_path / "operator.pem"), str(tmp_path / "operator.key"))
    verified = str(stack.secrets / "ca.pem")
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(url, verify=verified, cert=own, auth=("operator", password)).status_code == 200
        assert session.get(url, verify=verified, cert=own, auth=("operator", "wrong")).status_code == 401
        assert session.get(url, verify=verified, cert=own, auth=("agent", password)).status_code == 401
        for certificate in (theirs, None):
            with pytest.raises(requests.exceptions.RequestException):
                session.get(url, verify=verified, cert=certificate, auth=("operator", password))


def test_prometheus_and_alertmanager_find_each_other(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """With what was laid out, and nothing else."""
    found = verify(stack, capsys, "--only", "rules", "--only", "alertmanager")
    assert {entry["status"] for entry in found.values()} == {"ok"}, found


def test_secrets_of_another_deployment_are_of_no_use(
    stack: Stack, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Every check that needs them fails, and says what to do."""
    create_secrets(tmp_path)
    names = ["rules", "alertmanager", "strangers-prometheus"]
    found = verify(stack, capsys, *(f"--only={name}" for name in names), secrets=tmp_path)
    assert {entry["status"] for entry in found.values()} == {"failed"}, found
    assert all(entry["advice"] for entry in found.values())


def test_a_listener_without_a_lock_is_found(stack: Stack, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A Prometheus that wants no client certificate, and one that wants no password."""
    for told, weaken in (
        ("no certificate", lambda text: re.sub("  client_.*\n", "", text)),
        ("no password", lambda text: text.partition("basic_auth_users:")[0]),
    ):
        folder = tmp_path / told.replace(" ", "-")
        shutil.copytree(stack.folder, folder, ignore=shutil.ignore_patterns("data", "*.log", "secrets"))
        shutil.copytree(stack.secrets, folder / "secrets")
        web = folder / "secrets" / "web" / "prometheus.yml"
        web.write_text(weaken(web.read_text()))
        weak = Stack(folder, need("prometheus"), need("alertmanager", "prometheus-alertmanager"), None)
        with weak.running():
            found = verify(weak, capsys, "--only", "strangers-prometheus")["strangers-prometheus"]
        assert found["status"] == "failed"
        assert f"lets in whoever comes with {told}" in found["detail"]


def test_renewed_secrets_are_taken(stack: Stack, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A new authority: who has the new bundle talks to those who still have old certificates."""
    folder = Path(shutil.copytree(stack.secrets, tmp_path / "secrets"))
    create_secrets(folder, renewal=Renewal(authority=True))
    for name in ("operator.pem", "operator.key"):
        shutil.copy(stack.secrets / name, folder / name)
    found = verify(stack, capsys, "--only", "alertmanager", secrets=folder)
    assert found["alertmanager"]["status"] == "ok", found


def test_nothing_runs_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Each check fails by itself, the exit code tells, and the rest is looked at all the same."""
    create_secrets(tmp_path / "secrets")
    make(tmp_path, {"deployment.json": json.dumps({"version": 1, "target": "compose", "services": []})})
    addresses = ["--prometheus=https://localhost:1", "--alertmanager=https://localhost:1", "--otlp=https://localhost:1"]
    arguments = ["--only=rules", "--only=alertmanager", "--only=strangers-otlp", "--only=versions"]
    assert main(["verify", "--deployment", str(tmp_path), "--python", sys.executable, *addresses, *arguments]) == 1
    shown = capsys.readouterr().out
    assert shown.count("FAILED") >= 3
    assert "-> is it running" in shown
