"""Takes a compose file that builds services, gives an override file beside it, which Compose merges by itself.

The compose file itself stays as it is, and what it sets for a service stays in force.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from otel_dbmon.deploy.changes import change
from otel_dbmon.deploy.launcher import NotSafeError, insertion, is_launched, shell_insertion
from otel_dbmon.deploy.positions import UnreadableError, load
from otel_dbmon.deploy.service import env_file
from otel_dbmon.deploy.service.additions import Additions, Note
from otel_dbmon.deploy.text_files import read_text

#: In the order in which Compose looks.
NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
_OURS = "# Written by `otel-dbmon deploy`"
_OWN_NAME = "compose.otel-dbmon.yaml"
#: Where a container finds the files of its mutual TLS, and the network in which it finds the agent.
MOUNTED = "/etc/otel-dbmon/tls"
NETWORK = "otel-dbmon-services"
_TLS_FILES = ("ca.pem", "service.pem", "service.key")


@dataclass(frozen=True)
class Built:
    """A service of a compose file that is built from a folder.

    Attributes:
        file: The compose file.
        name: What the service is called there.
        definition: Its mapping.
        dockerfile: What it is built with.
    """

    file: Path
    name: str
    definition: Mapping[str, Any]
    dockerfile: Path


def find(folder: Path, root: Path) -> Built | None:
    """The service that is built from a folder, by a compose file there or above, up to the inventory's own folder."""
    for place in (folder, *folder.parents):
        if not place.is_relative_to(root) and place != folder:
            return None
        file = next((place / name for name in NAMES if (place / name).is_file()), None)
        built = [] if file is None else [found for found in _built(file) if found.dockerfile.is_relative_to(folder)]
        if built:
            # A folder may hold others that are built as well: its own image comes first.
            return min(built, key=lambda found: found.dockerfile.parent != folder)
    return None


def override(file: Path, wanted: Sequence[tuple[Built, Mapping[str, str]]], secrets: Path) -> Additions:
    """The override file for all services of one compose file.

    Args:
        file: The compose file.
        wanted: Each service, and its variables.
        secrets: The folder of the certificates.
    """
    notes: list[Note] = []
    services = {built.name: _service(built, environment, secrets, notes) for built, environment in wanted}
    data = {"services": services, "networks": {NETWORK: {"name": NETWORK, "external": True}}}
    path = _override_path(file)
    if path.name == _OWN_NAME:
        notes.append(Note(path, f"name it, there is an override already: docker compose -f {file.name} -f {path.name}"))
    text = f"{_OURS}; Compose reads it beside {file.name}.\n{_dumped(data)}"
    names = ", ".join(sorted(services))
    return Additions(
        [change(path, text)], notes, [Note(path, f"holds environment, certificates and network of {names}")]
    )


def _service(built: Built, environment: Mapping[str, str], secrets: Path, notes: list[Note]) -> dict[str, Any]:
    present = _environment(built)
    kept = [name for name in environment if name in present]
    notes += [
        Note(built.file, f"{built.name}: {name} is set there and stays")
        for name in kept
        if present[name] != environment[name]
    ]
    result: dict[str, Any] = {
        # Compose puts variables of its own in where it sees a dollar.
        "environment": {name: value.replace("$", "$$") for name, value in environment.items() if name not in kept},
        "volumes": [
            {"type": "bind", "source": str(secrets / name), "target": f"{MOUNTED}/{name}", "read_only": True}
            for name in _TLS_FILES
        ],
    }
    if "network_mode" in built.definition:
        notes.append(Note(built.file, f"{built.name} has a network_mode, so it is not put into {NETWORK}"))
    else:
        others: dict[str, Any] = {} if built.definition.get("networks") else {"default": {}}
        result["networks"] = {**others, NETWORK: {}}
    command = _command(built, notes)
    return result if command is None else {**result, "command": command}


def _command(built: Built, notes: list[Note]) -> list[str] | str | None:
    """The command under the launcher, where the compose file gives one."""
    command = built.definition.get("command")
    if not command:
        return None
    if built.definition.get("entrypoint"):
        notes.append(Note(built.file, f"{built.name}: entrypoint and command are left alone"))
        return None
    try:
        if isinstance(command, str):
            if is_launched(command.split()):
                return None
            offset, launcher = shell_insertion(command)
            return f"{command[:offset]}{launcher} {command[offset:]}"
        words = [str(word) for word in command]
        if is_launched(words):
            return None
        index, launcher = insertion(words)
        return [*words[:index], launcher, *words[index:]]
    except NotSafeError as error:
        notes.append(Note(built.file, f"{built.name}: command is left alone: {error}"))
        return None


def _environment(built: Built) -> dict[str, str]:
    """What the compose file and the files it names set for a service."""
    found: dict[str, str] = {}
    files = built.definition.get("env_file") or []
    for entry in [files] if isinstance(files, str) else files:
        file = read_text(built.file.parent / str(entry["path"] if isinstance(entry, Mapping) else entry))
        found |= env_file.variables(file.text) if file is not None else {}
    environment = built.definition.get("environment") or {}
    if isinstance(environment, Mapping):
        return {**found, **{str(name): str(value) for name, value in environment.items()}}
    pairs = [str(entry).partition("=") for entry in environment]
    return {**found, **{name: value for name, _, value in pairs}}


def _built(file: Path) -> Iterator[Built]:
    text = read_text(file)
    try:
        data = load(text.text) if text is not None else None
    except UnreadableError:
        return
    services = data.get("services") if isinstance(data, Mapping) else None
    for name, definition in services.items() if isinstance(services, Mapping) else ():
        build = definition.get("build") if isinstance(definition, Mapping) else None
        if build is None:
            continue
        context = build if isinstance(build, str) else build.get("context", ".")
        dockerfile = "Dockerfile" if isinstance(build, str) else build.get("dockerfile", "Dockerfile")
        yield Built(file, str(name), definition, (file.parent / str(context) / str(dockerfile)).resolve())


def _override_path(file: Path) -> Path:
    present = [file.with_name(name) for name in _OVERRIDES if file.with_name(name).is_file()]
    if not present:
        return file.with_name("compose.override.yaml")
    ours = present[0].read_text(encoding="utf-8").startswith(_OURS)
    return present[0] if ours else file.with_name(_OWN_NAME)


def _dumped(data: Any) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 200
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    out = io.StringIO()
    # What a person wrote is made plain first: it carries the style of its file.
    yaml.dump(json.loads(json.dumps(data)), out)
    return out.getvalue()
