"""Compose file and Kubernetes manifests: valid by their schemas, and closed where they are said to be.

There is neither a container engine nor a cluster in these tests: what runs is shown in test_stack.py, on the very same
configuration, without containers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import check_jsonschema
import kubernetes_validate
import pytest
from jsonschema import Draft7Validator
from making import make
from ruamel.yaml import YAML

from otel_dbmon.cli.commands import commands
from otel_dbmon.command import main

#: What is checked against, and what is not in it.
KUBERNETES = "1.31"
CUSTOM = {"Instrumentation", "Kustomization"}


@cache
def laid_out(target: str, folder: Path) -> Path:
    """What deploy lays out for a platform."""
    make(folder, {"user-svc/requirements.txt": "flask\n", "order-svc/requirements.txt": "flask\n", "services.yaml": ""})
    text = """\
namespace: watch
services:
  - {name: user-svc, path: user-svc, namespace: shop, team: accounts}
  - {name: order-svc, path: order-svc, namespace: orders}
"""
    make(folder, {"services.yaml": text})
    command = ["deploy", "--services", str(folder / "services.yaml"), "--output", str(folder / target)]
    assert main([*command, "--target", target, "--apply"]) == 0
    return folder / target


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a compose stack."""
    return laid_out("compose", tmp_path_factory.mktemp("compose"))


@pytest.fixture(scope="module")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Kubernetes stack."""
    return laid_out("kubernetes", tmp_path_factory.mktemp("kubernetes"))


def read(path: Path) -> list[Any]:
    """The documents of a YAML file."""
    return list(YAML(typ="safe", pure=True).load_all(path.read_text(encoding="utf-8")))


def services(compose: Path) -> dict[str, Any]:
    """The services of the compose file."""
    found: dict[str, Any] = read(compose / "compose.yaml")[0]["services"]
    return found


def test_the_compose_file_is_valid(compose: Path) -> None:
    """By the schema of the Compose specification."""
    found = next(resources.files(check_jsonschema).joinpath("builtin_schemas").joinpath("vendor").iterdir()).parent
    schema = json.loads((found / "compose-spec.json").read_text(encoding="utf-8"))
    assert [error.message for error in Draft7Validator(schema).iter_errors(read(compose / "compose.yaml")[0])] == []


def test_every_file_that_is_mounted_is_there(compose: Path) -> None:
    """With the one exception of what a container is to write."""
    for name, service in services(compose).items():
        for volume in service["volumes"]:
            source, _, mode = volume.partition(":")[0], *volume.partition(":")[1:]
            assert (compose / source).exists(), f"{name}: {source}"
            assert mode.endswith(":ro") or source.startswith("./data/"), f"{name}: {volume}"


def test_no_container_gets_more_than_it_needs(compose: Path) -> None:
    """No root, no capability, nothing to write to but its data, limits; nobody gets the authority's key."""
    for name, service in services(compose).items():
        assert service["user"].startswith("${DBMON_UID"), name
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert {"cpus", "memory", "pids"} <= set(service["deploy"]["resources"]["limits"]), name
        assert not [volume for volume in service["volumes"] if "ca.key" in volume], name


def test_networks_are_closed(compose: Path) -> None:
    """Those of services, telemetry and database lead nowhere; ports are published on this machine only."""
    networks = read(compose / "compose.yaml")[0]["networks"]
    assert all(networks[name]["internal"] for name in ("services", "telemetry", "database"))
    members = {name: set(service["networks"]) for name, service in services(compose).items()}
    assert [name for name, found in members.items() if "services" in found] == ["agent"]
    assert {name for name, found in members.items() if "database" in found} == {"postgres", "postgres-agent"}
    ports = [port for service in services(compose).values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_listener_has_a_lock(compose: Path) -> None:
    """Whatever publishes a port is one of those that test_stack.py knocks at, or Grafana, or PostgreSQL."""
    commands = {name: " ".join(service.get("command", ())) for name, service in services(compose).items()}
    for name in ("prometheus", "alertmanager"):
        assert f"--web.config.file=/etc/{name}/secrets/web/{name}.yml" in commands[name]
    assert "--cluster.listen-address=" in commands["alertmanager"].split()
    assert services(compose)["grafana"]["environment"]["GF_SERVER_PROTOCOL"] == "https"
    assert "-cssl=on" in commands["postgres"]
    entries = re.findall(r"^(\w+)", (compose / "postgres" / "pg_hba.conf").read_text(), re.MULTILINE)
    assert set(entries) == {"local", "hostssl"}


def manifests(kubernetes: Path) -> Iterator[tuple[str, Any]]:
    """Every object, with the file it is in."""
    for path in sorted((kubernetes / "kubernetes").glob("*.yaml")):
        for found in read(path):
            yield path.name, found


def test_manifests_are_valid(kubernetes: Path) -> None:
    """By Kubernetes's own schemas, strictly; the operator's kind is not among them."""
    count = 0
    for name, found in manifests(kubernetes):
        if found["kind"] not in CUSTOM:
            kubernetes_validate.validate(found, KUBERNETES, strict=True)
            count += 1
        assert found["kind"] == "Namespace" or found["metadata"]["namespace"] in ("watch", "shop", "orders"), name
    assert count > 15


def pods(kubernetes: Path) -> Iterator[tuple[str, Any]]:
    """The specification of every pod."""
    for _, found in manifests(kubernetes):
        if found["kind"] in ("DaemonSet", "Deployment", "StatefulSet"):
            yield found["metadata"]["name"], found["spec"]["template"]["spec"]
        elif found["kind"] == "CronJob":
            yield found["metadata"]["name"], found["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_pods_are_restricted(kubernetes: Path) -> None:
    """No root, no capability, no writing outside volumes, no token, limits on all."""
    seen = set()
    for name, pod in pods(kubernetes):
        seen.add(name)
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in pod["containers"]:
            security = container["securityContext"]
            assert (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (False, True), name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert {"cpu", "memory"} <= set(container["resources"]["limits"]), name
    assert seen == {"agent", "gateway", "prometheus", "alertmanager", "grafana", "report"}


def test_the_report_is_a_command_that_there_is(kubernetes: Path) -> None:
    """It waits until somebody lets it; its arguments are the command's own, and it finds the operator's secrets."""
    (job,) = (found for _, found in manifests(kubernetes) if found["kind"] == "CronJob")
    assert job["spec"]["suspend"] is True
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    name, *arguments = container["args"]
    secrets = kubernetes / "secrets"
    context = commands.commands[name].make_context(
        name, [text.replace("/run/secrets", str(secrets)) for text in arguments]
    )
    assert context.params["length"] == 86_400
    held = read(kubernetes / "kustomization.yaml")[0]["secretGenerator"]
    (files,) = (entry["files"] for entry in held if entry["name"] == "report")
    assert {Path(file).name for file in files} == {"ca.pem", "operator.pem", "operator.key", "operator.password"}


def test_everything_is_denied_unless_it_is_allowed(kubernetes: Path) -> None:
    """One policy for all pods that allows nothing, and one for each component."""
    policies = {
        found["metadata"]["name"]: found["spec"]
        for _, found in manifests(kubernetes)
        if found["kind"] == "NetworkPolicy"
    }
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert {name for name, _ in pods(kubernetes)} <= set(policies)


def test_what_pods_mount_is_made(kubernetes: Path) -> None:
    """Every ConfigMap and Secret comes from kustomization.yaml, and every file in it is there."""
    found = read(kubernetes / "kustomization.yaml")[0]
    made = {entry["name"] for kind in ("configMapGenerator", "secretGenerator") for entry in found[kind]}
    for name, pod in pods(kubernetes):
        for volume in pod["volumes"]:
            source = volume.get("configMap", {}).get("name") or volume.get("secret", {}).get("secretName")
            assert source in made or "emptyDir" in volume, (name, volume)
    files = [
        file for kind in ("configMapGenerator", "secretGenerator") for entry in found[kind] for file in entry["files"]
    ]
    assert all((kubernetes / file).is_file() for file in (*files, *found["resources"]))
    assert all(entry["files"] for kind in ("configMapGenerator", "secretGenerator") for entry in found[kind])
    assert not [file for file in files if "ca.key" in file]
    for _, pod in pods(kubernetes):
        for volume in pod["volumes"]:
            keys = {item["key"] for item in volume.get("secret", {}).get("items", ())}
            held = {
                Path(file).name
                for entry in found["secretGenerator"]
                if entry["name"] == volume["name"]
                for file in entry["files"]
            }
            assert keys >= held


def test_each_namespace_of_services_gets_an_instrumentation(kubernetes: Path) -> None:
    """With the certificate beside it, and a patch for each service."""
    found = {
        entry["metadata"]["namespace"]: entry
        for _, entry in manifests(kubernetes)
        if entry["kind"] == "Instrumentation"
    }
    assert set(found) == {"shop", "orders"}
    assert found["shop"]["spec"]["exporter"]["endpoint"] == "https://agent.watch.svc:4318"
    secrets = read(kubernetes / "kustomization.yaml")[0]["secretGenerator"]
    assert {entry["namespace"] for entry in secrets if entry["name"] == "otel-dbmon-service"} == {"shop", "orders"}
    (patch,) = read(kubernetes / "kubernetes" / "services" / "user-svc.yaml")
    annotations = patch["spec"]["template"]["metadata"]["annotations"]
    assert annotations["instrumentation.opentelemetry.io/inject-python"] == "otel-dbmon"
    assert annotations["resource.opentelemetry.io/service.name"] == "user-svc"


def test_services_stay_as_they_are_on_kubernetes(kubernetes: Path) -> None:
    """The operator does what files would do elsewhere."""
    assert (kubernetes.parent / "user-svc" / "requirements.txt").read_text() == "flask\n"
