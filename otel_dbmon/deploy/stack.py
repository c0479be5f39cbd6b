"""Takes the output folder and the kind of platform, gives the files of the stack that are to be there.

They are those of `collector-config`, and what ties them together on a platform; a release brings new ones.
What a person edited in the output folder is kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from otel_dbmon.deploy.changes import PUBLIC, Change, change
from otel_dbmon.deploy.inventory import Inventory
from otel_dbmon.deploy.journal import Journal, digest
from otel_dbmon.deploy.kustomization import kustomization
from otel_dbmon.deploy.problems import DeployError
from otel_dbmon.deploy.receivers import without_missing
from otel_dbmon.deploy.service.additions import Note

TARGETS = ("compose", "kubernetes")
_SUFFIXES = {".yaml", ".yml", ".json", ".tmpl", ".conf", ".sql", ".sh", ".md", ".dockerfile", ".env"}
#: Folders that are for building and generating, not for running.
_WORKSHOP = {"builder", "boards"}
_EXECUTABLE = 0o755
#: Services of compose.yaml that keep something.
_KEEPERS = ("agent", "gateway", "prometheus", "alertmanager", "grafana", "postgres", "postgres-agent")
_INSTRUMENTATION = "kubernetes/instrumentation.yaml"
_ALERTMANAGER = "alertmanager/alertmanager.yml"
#: The secrets of Alertmanager that an apply makes itself, by the beginnings of their names.
_OWN_SECRETS = ("secrets/ca.", "secrets/alertmanager.")


def find_templates() -> Path:
    """The stack's files: in a checkout where they are written, in an installed wheel as package data.

    Raises:
        DeployError: They are at neither place.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "collector-config", package.parent / "collector-config"):
        if folder.is_dir():
            return folder
    raise DeployError("the stack's files are not in this installation of otel-dbmon")


def plan_stack(
    output: Path, inventory: Inventory, target: str, journal: Journal, overwrite: bool
) -> tuple[list[Change], list[Note]]:
    """The files of a stack.

    Args:
        output: Where they go.
        inventory: What is monitored, and in which namespaces.
        target: One of ``TARGETS``.
        journal: Knows what was written there, and so what a person has edited since.
        overwrite: Whether such files lose their edits.
    """
    files = dict(_files(find_templates(), target))
    files = _for_kubernetes(files, inventory) if target == "kubernetes" else _for_compose(files)
    files[_ALERTMANAGER], notes = _that_can_tell(files[_ALERTMANAGER], output)
    changes = []
    for name, content in files.items():
        found = change(output / name, content, _EXECUTABLE if name.endswith(".sh") else PUBLIC)
        is_foreign = found.before is not None and journal.wrote(found.path) != digest(found.before)
        if found.is_needed and is_foreign and not overwrite:
            text = "not written by this command or edited since, so it stays (--overwrite replaces it)"
            notes.append(Note(found.path, text))
        else:
            changes.append(found)
    return changes, notes


def _that_can_tell(alertmanager: bytes, output: Path) -> tuple[bytes, list[Note]]:
    """Alertmanager's configuration without those ways of telling that nobody has put a secret for into the folder."""

    def exists(name: str) -> bool:
        return name.startswith(_OWN_SECRETS) or (output / name).is_file()

    text, silent = without_missing(alertmanager.decode(), exists)
    said = f"tells nobody by {', '.join(silent)}: alertmanager/README.md says where their secrets go; then apply again"
    return text.encode(), [Note(output / _ALERTMANAGER, said)] if silent else []


def _files(templates: Path, target: str) -> Iterator[tuple[str, bytes]]:
    """Names in the output folder, and contents."""
    for path in sorted(templates.rglob("*")):
        name = path.relative_to(templates)
        if not path.is_file() or path.suffix not in _SUFFIXES or _WORKSHOP & set(name.parts):
            continue
        platform = name.parts[0]
        if platform not in TARGETS:
            yield name.as_posix(), path.read_bytes()
        elif platform == target:
            # A compose file names all others, so it stands above them.
            shown = name.relative_to(platform) if target == "compose" else name
            yield shown.as_posix(), path.read_bytes()


def _for_compose(files: dict[str, bytes]) -> dict[str, bytes]:
    """Beside the files: who the containers run as, and folders that belong to that user and not to Docker's."""
    folders = {f"data/{name}/.keep": b"" for name in _KEEPERS}
    return {**files, **folders, ".env": _compose_environment().encode()}


def _for_kubernetes(files: dict[str, bytes], inventory: Inventory) -> dict[str, bytes]:
    """In the inventory's namespaces, and tied together."""
    result = {}
    of_services = sorted({service.namespace for service in inventory.services})
    for name, content in files.items():
        text = content.replace(b"monitoring", inventory.namespace.encode()) if _is_manifest(name) else content
        if name != _INSTRUMENTATION:
            result[name] = text
            continue
        for namespace in of_services:
            own = text.replace(b"namespace: services", f"namespace: {namespace}".encode())
            result[f"kubernetes/instrumentation-{namespace}.yaml"] = own
    manifests = [name for name in result if _is_manifest(name)]
    result["kustomization.yaml"] = kustomization(result, manifests, inventory.namespace, of_services).encode()
    return result


def _is_manifest(name: str) -> bool:
    return name.startswith("kubernetes/") and name.endswith(".yaml")


def _compose_environment() -> str:
    # Files that only their owner may read are read in containers by the same user.
    user, group = (os.getuid(), os.getgid()) if hasattr(os, "getuid") else (1000, 1000)
    return f"# Read by Compose. Containers run as who owns the secrets.\nDBMON_UID={user}\nDBMON_GID={group}\n"
