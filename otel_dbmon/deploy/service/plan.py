"""Takes a service and what it is to have, looks at its files, and gives every change they need and what was left alone.

The environment has one home: the override of the compose file that builds the service, its environment file, its
Dockerfile, or a new environment file, in this order; an environment file that the inventory names comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from otel_dbmon.deploy.inventory import Inventory, Service
from otel_dbmon.deploy.service import compose, dockerfile, env_file, procfile, pyproject, requirements
from otel_dbmon.deploy.service.additions import Additions, Note
from otel_dbmon.deploy.service.compose import Built
from otel_dbmon.deploy.service.environment import environment_of

_NEW_ENV_FILE = "otel-dbmon.env"
_NOT_EDITED = ("Pipfile", "setup.py", "setup.cfg", "environment.yml", "conda.yaml")


@dataclass
class ServicePlan:
    """What becomes of one service.

    Attributes:
        service: The service.
        environment: Its variables.
        additions: Its changes and notes; the override of its compose file is not among them.
        built: How a compose file builds it, if one does.
    """

    service: Service
    environment: Mapping[str, str]
    additions: Additions = field(default_factory=Additions)
    built: Built | None = None

    def take(self, additions: Additions) -> bool:
        """Put one look's findings to the rest; whether it served its purpose."""
        self.additions.changes += [found for found in additions.changes if found.is_needed]
        self.additions.notes += additions.notes
        self.additions.facts += additions.facts
        return additions.done


def plan_service(service: Service, inventory: Inventory, secrets: Path, requirement: str) -> ServicePlan:
    """Look at a service's files.

    Args:
        service: The service.
        inventory: What it is part of; no file above its folder is looked at.
        secrets: The folder of the certificates.
        requirement: What is added to its dependencies.
    """
    built = compose.find(service.folder, inventory.root)
    image = _dockerfile(service.folder, built)
    environment = environment_of(service, inventory, secrets, in_container=image is not None)
    plan = ServicePlan(service, environment, built=built)
    _add_dependency(plan, image, requirement)
    in_image = _add_environment(plan, image)
    _add_launcher(plan, image, environment if in_image else {})
    if image is not None:
        _say_what_the_container_needs(plan, image, secrets)
    return plan


def _say_what_the_container_needs(plan: ServicePlan, image: Path, secrets: Path) -> None:
    if plan.built is None:
        text = (
            f"run it with --network {compose.NETWORK}, and with the three TLS files of {secrets} in {compose.MOUNTED}"
        )
        plan.additions.notes.append(Note(image, text))
    user = dockerfile.user_of(image)
    if user not in ("", "root", "0"):
        text = f"it runs as {user}: let that user read {secrets / 'service.key'} (setfacl -m u:UID:r)"
        plan.additions.notes.append(Note(image, text))


def _dockerfile(folder: Path, built: Built | None) -> Path | None:
    if built is not None and built.dockerfile.is_file():
        return built.dockerfile
    return _first(folder, dockerfile.NAMES)


def _add_dependency(plan: ServicePlan, image: Path | None, requirement: str) -> None:
    folder = plan.service.folder
    listed = _first(folder, requirements.NAMES)
    project = folder / "pyproject.toml"
    has_project = pyproject.lists_dependencies(project)
    installed = listed is not None and image is not None and dockerfile.mentions(image, listed.name)
    if listed is not None and (installed or not has_project):
        done = plan.take(requirements.add_requirement(listed, requirement))
    elif has_project:
        done = plan.take(pyproject.add_dependency(project, requirement))
    else:
        done = False
    others = [folder / name for name in _NOT_EDITED if (folder / name).is_file()]
    if not done and listed is None:
        where = others[0] if others else folder
        text = f"no requirements.txt or pyproject.toml lists what it needs: install {requirement} with the service"
        plan.additions.notes.append(Note(where, text))


def _add_environment(plan: ServicePlan, image: Path | None) -> bool:
    """Find a home for the environment; whether it is the Dockerfile."""
    service = plan.service
    present = service.env_file or _first(service.folder, env_file.NAMES)
    if plan.built is not None and service.env_file is None:
        return False
    if present is not None:
        plan.take(env_file.add_variables(present, plan.environment))
        return False
    if image is not None:
        return True
    path = service.folder / _NEW_ENV_FILE
    plan.take(env_file.add_variables(path, plan.environment))
    plan.additions.notes.append(Note(path, "let whatever starts the service read it (EnvironmentFile=, --env-file)"))
    return False


def _add_launcher(plan: ServicePlan, image: Path | None, variables: Mapping[str, str]) -> None:
    folder = plan.service.folder
    processes = _first(folder, procfile.NAMES)
    if image is not None:
        plan.take(dockerfile.add_launcher(image, variables))
    if processes is not None:
        plan.take(procfile.add_launcher(processes))
    if image is None and processes is None:
        text = "no Dockerfile or Procfile: start it as `opentelemetry-instrument python ...`"
        plan.additions.notes.append(Note(folder, text))


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)
