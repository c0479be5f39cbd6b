"""The collector's files: the collector itself takes them, alone and together, and they hold no secret."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

FILES = Path(__file__).parents[2] / "collector-config" / "collector"
BUILDER = FILES.parent / "builder" / "collector"
AGENT = [
    ["agent.yaml"],
    ["agent.yaml", "postgresql.yaml"],
    ["agent.yaml", "agent-balanced.yaml"],
    ["agent.yaml", "agent-balanced.yaml", "postgresql.yaml"],
    ["agent.yaml", "kafka-agent.yaml"],
    ["agent.yaml", "kafka-agent.yaml", "postgresql.yaml"],
]
GATEWAY = [
    ["gateway.yaml"],
    *(
        ["gateway.yaml", overlay]
        for overlay in (
            "trace-store.yaml",
            "sentry.yaml",
            "file.yaml",
            "remote-write.yaml",
            "prometheus-otlp.yaml",
            "tail-sampling.yaml",
            "kafka-gateway.yaml",
        )
    ),
    [
        "gateway.yaml",
        "trace-store.yaml",
        "sentry.yaml",
        "file.yaml",
        "remote-write.yaml",
        "tail-sampling.yaml",
        "kafka-gateway.yaml",
    ],
]
#: What an operator has to say where there can be no default.
REQUIRED = {
    "DBMON_SENTRY_TRACES": "https://sentry.example/v1/traces",
    "DBMON_REMOTE_WRITE": "https://mimir.example/push",
}


def validate(collector: Path, secrets: Path, *files: object) -> subprocess.CompletedProcess[str]:
    """What ``otelcol validate`` says of these files."""
    return subprocess.run(
        [collector, "validate", *(f"--config={FILES / str(name)}" for name in files)],
        env={**os.environ, **REQUIRED, "DBMON_SECRETS": str(secrets)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("files", AGENT + GATEWAY, ids=" ".join)
def test_collector_takes_it(collector: Path, secrets: Path, files: list[str]) -> None:
    """Every file is valid with the one it is added to, and with the others that may be."""
    done = validate(collector, secrets, *files)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr


def test_every_file_is_validated() -> None:
    """No file is left out above."""
    assert {path.name for path in FILES.glob("*.yaml")} == {name for files in AGENT + GATEWAY for name in files}


def test_validation_refuses(collector: Path, secrets: Path, tmp_path: Path) -> None:
    """A name that the collector does not know does not pass."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("exporters: {prometheus: {enable_open_metrix: true}}")
    done = validate(collector, secrets, "gateway.yaml", wrong)
    assert done.returncode != 0
    assert "enable_open_metrix" in done.stderr


def test_only_what_is_used_is_built(collector: Path) -> None:
    """The distribution holds the components that the files name, and no other."""
    listed = yaml.safe_load(subprocess.run([collector, "components"], capture_output=True, check=True).stdout)
    for kind in ("receivers", "processors", "exporters", "connectors", "extensions"):
        built = {component["name"] for component in listed[kind]}
        assert built == {name.partition("/")[0] for path in FILES.glob("*.yaml") for name in names(path, kind)}


def names(path: Path, kind: str) -> list[str]:
    """The components of one kind that a file configures."""
    return list(yaml.safe_load(path.read_text()).get(kind) or ())


def test_lock_is_of_the_manifest() -> None:
    """Every module of the manifest is locked in that version, with its hash."""
    manifest = yaml.safe_load((BUILDER / "manifest.yaml").read_text())
    wanted = [entry["gomod"] for kind, entries in manifest.items() if kind != "dist" for entry in entries]
    required, hashed = ((BUILDER / name).read_text() for name in ("go.mod", "go.sum"))
    assert [module for module in wanted if f"\t{module}\n" not in required] == []
    assert [module for module in wanted if f"{module} h1:" not in hashed] == []


def test_every_variable_is_documented() -> None:
    """The table in the README has every variable of the files, with its default."""
    used = set()
    for path in FILES.glob("*.yaml"):
        used |= set(re.findall(r"\$\{env:(DBMON_[A-Z_]+)", path.read_text()))
    table = (FILES.parent / "README.md").read_text()
    assert used == set(re.findall(r"^\| `(DBMON_[A-Z_]+)` \|", table, re.MULTILINE))


def test_no_secret_is_written_down() -> None:
    """Passwords, keys and what logs in to Sentry are named by a file or a variable."""
    secret = re.compile(r"password|key_file|client_key|certificate|x-sentry-auth")
    for path in FILES.glob("*.yaml"):
        for key, value in leaves(yaml.safe_load(path.read_text())):
            if secret.search(key):
                assert "${" in str(value), f"{path.name}: {key}"


def test_nobody_gets_in_without_a_certificate() -> None:
    """Every listener asks for a certificate, but the one for probes; nobody skips a check."""
    for path in FILES.glob("*.yaml"):
        configuration = yaml.safe_load(path.read_text())
        for tls in (block for key, block in blocks(configuration) if key == "tls"):
            assert not tls.get("insecure")
            assert not tls.get("insecure_skip_verify")
            assert (
                "ca_file" in tls or "client_ca_file" in tls or tls == configuration["extensions"]["health_check"]["tls"]
            )
        for key, block in blocks(configuration):
            assert not (isinstance(block, dict) and "endpoint" in block and key in LISTENERS and "tls" not in block)


#: What listens.
LISTENERS = {"grpc", "http", "prometheus", "health_check"}


def blocks(value: object, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every mapping and list inside a configuration, with its key."""
    if isinstance(value, dict):
        yield key, value
        for inner, found in value.items():
            yield from blocks(found, inner)
    elif isinstance(value, list):
        for found in value:
            yield from blocks(found, key)


def leaves(value: object, key: str = "") -> Iterator[tuple[str, Any]]:
    """Everything inside a configuration that is no mapping or list, with its key."""
    if isinstance(value, dict):
        for inner, found in value.items():
            yield from leaves(found, inner)
    elif isinstance(value, list):
        for found in value:
            yield from leaves(found, key)
    else:
        yield key, value
