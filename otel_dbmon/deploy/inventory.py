"""Takes an inventory file, or services from the command line, and gives the services to set up, all checked.

Every mistake is told at once, with its line and its field, before anything else is looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator, ValidationError

from otel_dbmon.deploy.positions import UnreadableError, Way, line_of, load, spelled
from otel_dbmon.deploy.problems import DeployError, InvalidInventoryError, Problem
from otel_dbmon_semconv.forms import expected, parse
from otel_dbmon_semconv.settings import SETTINGS

_LONGEST = 1024 * 1024
#: No field stands deeper.
_DEEPEST = 5
_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}
#: What a pattern of the schema means, by the field that has it.
_MEANINGS = {
    "name": "letters, digits, dots, dashes and underscores, 63 at most",
    "team": "letters, digits, dots, dashes and underscores, 63 at most",
    "stage": "letters, digits, dots, dashes and underscores, 63 at most",
    "namespace": "lower-case letters, digits and dashes, 63 at most",
    "domains": "a domain like monitoring.svc",
    "endpoint": "an address like https://agent:4318",
    "environment": "one line of text",
}
_SETTINGS = {setting.name: setting for setting in SETTINGS}
_PREFIX = "OTEL_DBMON_"


@dataclass(frozen=True)
class Service:
    """One service that is to be monitored.

    Attributes:
        name: Its name in all telemetry.
        folder: Where its files are; absolute.
        phase: The phase of the roll-out that brings it.
        team: Who answers for it, or "".
        env_file: The file with its environment, or None where one is looked for.
        namespace: Its Kubernetes namespace.
        endpoint: Where its OTLP goes, or "" for the stack's agent.
        environment: More variables.
    """

    name: str
    folder: Path
    phase: int = 1
    team: str = ""
    env_file: Path | None = None
    namespace: str = "default"
    endpoint: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Inventory:
    """All services, and what holds for all of them.

    Attributes:
        root: The folder that paths are relative to.
        services: In the order of the file.
        stage: production, staging, ... or "".
        namespace: The Kubernetes namespace of the stack.
        domains: Domains in which the stack is known.
    """

    root: Path
    services: tuple[Service, ...]
    stage: str = ""
    namespace: str = "monitoring"
    domains: tuple[str, ...] = ()


@cache
def schema() -> Mapping[str, Any]:
    """The JSON schema of an inventory."""
    text = Path(__file__).with_name("services.schema.json").read_text(encoding="utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found


def read_inventory(path: Path) -> Inventory:
    """Read an inventory file.

    Raises:
        InvalidInventoryError: It has mistakes.
        DeployError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST + 1)
        if len(content) > _LONGEST:
            raise DeployError(f"{path}: longer than {_LONGEST:,} bytes: this is no inventory")
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise DeployError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DeployError(f"{path}: not UTF-8") from None
    try:
        data = load(text)
    except UnreadableError as error:
        raise InvalidInventoryError(str(path), [error.problem]) from None
    return _checked(str(path), data, path.resolve().parent)


def from_arguments(services: Sequence[str], root: Path) -> Inventory:
    """The inventory of ``name=folder`` arguments.

    Raises:
        InvalidInventoryError: One of them is wrong.
    """
    entries = []
    for argument in services:
        name, separator, folder = argument.partition("=")
        if not separator:
            problem = Problem(0, "", f"{argument!r} is not name=folder, like user-svc=./backend/user-svc")
            raise InvalidInventoryError("--service", [problem])
        entries.append({"name": name, "path": folder})
    return _checked("--service", {"services": entries}, root.resolve())


def _checked(source: str, data: Any, root: Path) -> Inventory:
    problems = list(dict.fromkeys(_schema_problems(data)))
    if not problems:
        problems = list(_more_problems(data, root))
    if problems:
        in_file = source != "--service"
        raise InvalidInventoryError(
            source, [problem if in_file else Problem(0, problem.field, problem.text) for problem in problems]
        )
    stack_namespace = str(data.get("namespace", "monitoring"))
    return Inventory(
        root=root,
        services=tuple(_service(data, position, entry, root) for position, entry in enumerate(data["services"])),
        stage=str(data.get("stage", "")),
        namespace=stack_namespace,
        domains=tuple(str(domain) for domain in data.get("domains", ())),
    )


def _service(data: Any, position: int, entry: Any, root: Path) -> Service:
    folder = (root / entry["path"]).resolve()
    env_file = entry.get("env_file")
    return Service(
        name=str(entry["name"]),
        folder=folder,
        phase=int(entry.get("phase", 2 if position else 1)),
        team=str(entry.get("team", "")),
        env_file=folder / env_file if env_file is not None else None,
        namespace=str(entry.get("namespace", data.get("namespace", "default"))),
        endpoint=str(entry.get("endpoint", data.get("endpoint", ""))),
        environment={
            str(name): _value(value)
            for name, value in {**data.get("environment", {}), **entry.get("environment", {})}.items()
        },
    )


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _schema_problems(data: Any) -> Iterator[Problem]:
    if data is None:
        yield Problem(1, "services", 'missing; a list of services, each with "name" and "path"')
        return
    yield from _control_characters(data, data, [])
    for error in Draft202012Validator(schema()).iter_errors(data):
        yield from _explained(data, error)


def _control_characters(data: Any, part: Any, way: list[str | int]) -> Iterator[Problem]:
    # A line feed in a name or a value would write a line of its own into somebody's file.
    if isinstance(part, str) and not part.isprintable():
        yield _problem(data, way, "expected one line of printable text")
    elif isinstance(part, dict) and len(way) < _DEEPEST:
        for name, value in part.items():
            yield from _control_characters(data, value, [*way, str(name)])
    elif isinstance(part, list) and len(way) < _DEEPEST:
        for position, value in enumerate(part):
            yield from _control_characters(data, value, [*way, position])


def _explained(data: Any, error: ValidationError) -> Iterator[Problem]:
    way = list(error.absolute_path)
    rule: Any = error.validator_value
    parent: Any = error.schema
    match error.validator:
        case "additionalProperties":
            known = list(parent["properties"])
            for name in cast(Any, error.instance):
                if name not in known:
                    yield _problem(data, [*way, name], f"unknown field{_nearest(str(name), known)}")
        case "required":
            for name in rule:
                if name not in cast(Any, error.instance):
                    text = "missing" if way else 'missing; a list of services, each with "name" and "path"'
                    yield _problem(data, [*way, name], text)
        case "type":
            wanted = "text, a number or true or false" if isinstance(rule, list) else _TYPES[rule]
            yield _problem(data, way, f"expected {wanted}, found {_kind(error.instance)}")
        case "pattern" if "propertyNames" in error.absolute_schema_path:
            name = str(error.instance)
            text = "no name of a variable: capitals, digits and underscores"
            yield _problem(data, [*way, name], text)
        case "pattern":
            yield _problem(data, way, f"expected {_meaning(way)}")
        case "minItems" | "minLength":
            yield _problem(data, way, "is empty")
        case _:
            yield _problem(data, way, f"{error.validator} is {rule}")


def _more_problems(data: Any, root: Path) -> Iterator[Problem]:
    """What no schema can say."""
    yield from _setting_problems(data, data.get("environment", {}), ["environment"])
    names: dict[str, int] = {}
    folders: dict[Path, int] = {}
    for position, entry in enumerate(data["services"]):
        way: list[str | int] = ["services", position]
        yield from _setting_problems(data, entry.get("environment", {}), [*way, "environment"])
        first = names.setdefault(entry["name"], position)
        if first != position:
            yield _problem(data, [*way, "name"], f"{entry['name']} is the name of services[{first}], too")
        folder = (root / entry["path"]).resolve()
        if not folder.is_dir():
            what = "is no folder" if folder.exists() else "there is no such folder"
            yield _problem(data, [*way, "path"], f"{entry['path']}: {what}{_nearest_folder(folder)}")
            continue
        first = folders.setdefault(folder, position)
        if first != position:
            yield _problem(data, [*way, "path"], f"{entry['path']} is the folder of services[{first}], too")
        env_file = entry.get("env_file")
        if env_file is not None and (folder / env_file).is_dir():
            yield _problem(data, [*way, "env_file"], f"{env_file} is a folder")


def _setting_problems(data: Any, variables: Mapping[str, Any], way: Way) -> Iterator[Problem]:
    for name, value in variables.items():
        setting = _SETTINGS.get(name)
        if setting is None:
            if name.startswith(_PREFIX):
                yield _problem(data, [*way, name], f"no setting of otel-dbmon{_nearest(name, list(_SETTINGS))}")
            continue
        try:
            parse(setting, _value(value))
        except ValueError:
            yield _problem(data, [*way, name], f"expected {expected(setting)}")


def _problem(data: Any, way: Way, text: str) -> Problem:
    return Problem(line_of(data, way), spelled(way), text)


def _meaning(way: Sequence[str | int]) -> str:
    names = [step for step in way if step in _MEANINGS]
    return _MEANINGS[str(names[-1])] if names else "another form"


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    for kind, name in ((str, "text"), (dict, "a mapping"), (list, "a list"), (int, "a number"), (float, "a number")):
        if isinstance(value, kind):
            return name
    return f"a {type(value).__name__}"


def _nearest(name: str, known: Sequence[str]) -> str:
    found = get_close_matches(name, known, n=1)
    return f'; did you mean "{found[0]}"?' if found else f"; known are {', '.join(sorted(known))}"


def _nearest_folder(folder: Path) -> str:
    if not folder.parent.is_dir():
        return ""
    found = get_close_matches(folder.name, [path.name for path in folder.parent.iterdir() if path.is_dir()], n=1)
    return f'; did you mean "{found[0]}"?' if found else ""
