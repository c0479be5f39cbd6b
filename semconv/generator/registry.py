"""Reads registry/*.yaml into checked, frozen objects; a registry that contradicts itself raises RegistryError."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.entry import Entry, RegistryError
from otel_dbmon_semconv import declarations
from otel_dbmon_semconv.forms import expected, parse

STABILITIES = ("stable", "release_candidate", "development", "deprecated")
HANDLINGS = ("written", "kept", "sanitized", "url", "removed")
INSTRUMENTS = ("counter", "gauge", "histogram", "updowncounter")
PLAIN_TYPES = ("string", "int", "double", "boolean", "template[string]")
NUMBER_TYPES = ("milliseconds", "number", "integer", "float_list")
CHOICE_TYPES = ("enum", "enum_list")
SETTING_TYPES = ("boolean", "string", *CHOICE_TYPES, *NUMBER_TYPES)
OWN_PREFIX = "OTEL_DBMON_"


@dataclass(frozen=True)
class Member:
    """One value of a closed set; ``formerly`` are other names under which the same thing arrives."""

    value: str
    brief: str
    formerly: tuple[str, ...]


@dataclass(frozen=True)
class Enum:
    """A closed set of values."""

    id: str
    brief: str
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Attribute:
    """One attribute of a span, a data point or a resource; nothing writes a ``reserved`` one yet."""

    id: str
    type: str
    brief: str
    note: str
    unit: str
    stability: str
    upstream: str
    handling: str
    renamed_to: str
    examples: tuple[str, ...]
    reserved: bool

    @property
    def is_template(self) -> bool:
        """Whether ``id`` is only the beginning of a family of names."""
        return self.type.startswith("template")

    @property
    def enum(self) -> str:
        """The id of its enum, "" without one."""
        return self.type[len("enum(") : -1] if self.type.startswith("enum(") else ""


@dataclass(frozen=True)
class Group:
    """Attributes that belong together; ``constant_prefix`` begins the constants of those whose name has no dot."""

    id: str
    brief: str
    constant_prefix: str
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True)
class Metric:
    """One instrument; nothing feeds a ``reserved`` one yet."""

    id: str
    instrument: str
    unit: str
    prometheus_name: str
    brief: str
    note: str
    stability: str
    upstream: str
    attributes: tuple[str, ...]
    examples: tuple[str, ...]
    reserved: bool
    family: str


@dataclass(frozen=True)
class Family:
    """Metrics that one word in OTEL_DBMON_METRIC_FAMILIES turns on."""

    id: str
    brief: str
    metrics: tuple[Metric, ...]


@dataclass(frozen=True)
class ConfigLink:
    """How a setting's value becomes an argument of Config: ``member`` is the word whose presence counts."""

    field: str
    factor: int = 1
    member: str = ""


@dataclass(frozen=True)
class Setting:
    """One environment variable that is read: what the runtime needs to know, and what only people do."""

    declaration: declarations.Setting
    note: str
    example: str
    config: tuple[ConfigLink, ...]

    @property
    def is_own(self) -> bool:
        """Whether the variable is ours and not a standard one that we read."""
        return self.declaration.name.startswith(OWN_PREFIX)


@dataclass(frozen=True)
class Registry:
    """Every name, once."""

    enums: tuple[Enum, ...]
    groups: tuple[Group, ...]
    families: tuple[Family, ...]
    settings: tuple[Setting, ...]

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """All attributes, in order."""
        return tuple(attribute for group in self.groups for attribute in group.attributes)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All metrics, in order."""
        return tuple(metric for family in self.families for metric in family.metrics)


def read(folder: Path) -> Registry:
    """Read and check the three files in ``folder``.

    Raises:
        RegistryError: A file is malformed, or names contradict each other.
    """
    enums, groups = _read_attributes(Entry.of_file(folder / "attributes.yaml"))
    names = {attribute.id for group in groups for attribute in group.attributes}
    families = _read_metrics(Entry.of_file(folder / "metrics.yaml"), names)
    settings = _read_settings(Entry.of_file(folder / "settings.yaml"))
    return Registry(enums, groups, families, settings)


def prometheus_name(name: str, unit: str, instrument: str) -> str:
    """Translate an OpenTelemetry name as Prometheus exporters do: dots, the unit's suffix, ``_total`` for counters."""
    translated = name.replace(".", "_") + {"s": "_seconds"}.get(unit, "")
    return translated + "_total" if instrument == "counter" else translated


def _read_attributes(file: Entry) -> tuple[tuple[Enum, ...], tuple[Group, ...]]:
    enums = tuple(_enum(entry) for entry in file.entries("enums", "id"))
    _refuse_twins("attributes.yaml", "enum", (enum.id for enum in enums))
    groups = tuple(_group(entry, {enum.id for enum in enums}) for entry in file.entries("groups", "id"))
    file.done()
    attributes = [attribute for group in groups for attribute in group.attributes]
    _refuse_twins("attributes.yaml", "attribute", (attribute.id for attribute in attributes))
    names = {attribute.id for attribute in attributes}
    for attribute in attributes:
        if attribute.renamed_to and attribute.renamed_to not in names:
            raise RegistryError(f"attributes.yaml: {attribute.id}: renamed_to '{attribute.renamed_to}' does not exist")
    return enums, groups


def _enum(entry: Entry) -> Enum:
    members = tuple(_member(member) for member in entry.entries("members", "value"))
    enum = Enum(entry.take("id", str), entry.sentence(), members)
    entry.done()
    spellings = [name for member in members for name in (member.value, *member.formerly)]
    _refuse_twins("attributes.yaml", f"value of {enum.id}", spellings)
    return enum


def _member(entry: Entry) -> Member:
    member = Member(entry.take("value", str), entry.sentence(), entry.words("formerly"))
    entry.done()
    return member


def _group(entry: Entry, enums: set[str]) -> Group:
    group = Group(
        id=entry.take("id", str),
        brief=entry.prose("brief"),
        constant_prefix=entry.take("constant_prefix", str, ""),
        attributes=tuple(_attribute(attribute, enums) for attribute in entry.entries("attributes", "id")),
    )
    entry.done()
    return group


def _attribute(entry: Entry, enums: set[str]) -> Attribute:
    attribute = Attribute(
        id=entry.take("id", str),
        type=entry.take("type", str),
        brief=entry.sentence(),
        note=entry.prose("note", ""),
        unit=entry.take("unit", str, ""),
        stability=entry.word("stability", STABILITIES),
        upstream=entry.prose("upstream", ""),
        handling=entry.word("handling", HANDLINGS),
        renamed_to=entry.take("renamed_to", str, ""),
        examples=entry.examples(),
        reserved=entry.take("reserved", bool, False),
    )
    entry.done()
    if attribute.type not in PLAIN_TYPES and attribute.enum not in enums:
        raise entry.error(f"type '{attribute.type}' is neither {', '.join(PLAIN_TYPES)} nor an enum of this file")
    if attribute.renamed_to and attribute.stability != "deprecated":
        raise entry.error("it has 'renamed_to', but its stability is not 'deprecated'")
    return attribute


def _read_metrics(file: Entry, attributes: set[str]) -> tuple[Family, ...]:
    families = []
    for entry in file.entries("families", "id"):
        family = entry.take("id", str)
        metrics = tuple(_metric(metric, family, attributes) for metric in entry.entries("metrics", "id"))
        families.append(Family(family, entry.sentence(), metrics))
        entry.done()
    file.done()
    found = [metric for family in families for metric in family.metrics]
    _refuse_twins("metrics.yaml", "metric", (metric.id for metric in found))
    _refuse_twins("metrics.yaml", "Prometheus name", (metric.prometheus_name for metric in found))
    return tuple(families)


def _metric(entry: Entry, family: str, attributes: set[str]) -> Metric:
    metric = Metric(
        id=entry.take("id", str),
        instrument=entry.word("instrument", INSTRUMENTS),
        unit=entry.take("unit", str),
        prometheus_name=entry.take("prometheus_name", str),
        brief=entry.sentence(),
        note=entry.prose("note", ""),
        stability=entry.word("stability", STABILITIES),
        upstream=entry.prose("upstream", ""),
        attributes=entry.words("attributes"),
        examples=entry.examples(),
        reserved=entry.take("reserved", bool, False),
        family=family,
    )
    entry.done()
    for name in metric.attributes:
        if name not in attributes:
            raise entry.error(f"attribute '{name}' does not exist")
    is_remark = metric.unit.startswith("{") and metric.unit.endswith("}")
    if metric.instrument in ("gauge", "updowncounter") and metric.unit and not is_remark:
        raise entry.error(f"a {metric.instrument} must not have the unit '{metric.unit}': paths disagree on its suffix")
    if metric.unit not in ("", "s") and not is_remark:
        raise entry.error(f"unit '{metric.unit}' is not empty, 's' or a remark in braces")
    expected = prometheus_name(metric.id, metric.unit, metric.instrument)
    if metric.prometheus_name != expected:
        raise entry.error(f"prometheus_name is '{metric.prometheus_name}', but exporters make it '{expected}'")
    return metric


def _read_settings(file: Entry) -> tuple[Setting, ...]:
    settings = tuple(_setting(entry) for entry in file.entries("settings", "name"))
    file.done()
    _refuse_twins("settings.yaml", "setting", (setting.declaration.name for setting in settings))
    _refuse_twins("settings.yaml", "attribute", (setting.declaration.attribute for setting in settings))
    _refuse_twins("settings.yaml", "field of Config", (link.field for setting in settings for link in setting.config))
    return settings


def _setting(entry: Entry) -> Setting:
    name = entry.take("name", str)
    own_attribute: Any = name[len(OWN_PREFIX) :].lower() if name.startswith(OWN_PREFIX) else None
    type_ = entry.word("type", SETTING_TYPES)
    declaration = declarations.Setting(
        name=name,
        attribute=entry.take("attribute", str, own_attribute) if own_attribute else entry.take("attribute", str),
        type=type_,
        default=_default(entry, type_),
        minimum=_bound(entry, "minimum", type_),
        maximum=_bound(entry, "maximum", type_),
        choices=entry.words("choices"),
        brief=entry.sentence(),
    )
    if (type_ in CHOICE_TYPES) != bool(declaration.choices):
        raise entry.error("'choices' belongs to the types enum and enum_list, and to them alone")
    example = entry.take("example", str)
    for what, value in (("default", declaration.default), ("example", example)):
        try:
            parse(declaration, value)
        except ValueError:
            raise entry.error(f"the {what} is not {expected(declaration)}") from None
    setting = Setting(declaration, entry.prose("note", ""), example, _config_links(entry, declaration.choices))
    entry.done()
    return setting


def _default(entry: Entry, type_: str) -> Any:
    kinds: dict[str, Any] = {
        "boolean": bool,
        "milliseconds": (int, float),
        "number": (int, float),
        "integer": int,
        "float_list": list,
        "enum": str,
        "enum_list": list,
        "string": str,
    }
    default: Any = entry.take("default", kinds[type_])
    if type_ in ("milliseconds", "number"):
        return float(default)
    if type_ == "float_list":
        return tuple(map(float, default))
    return tuple(default) if isinstance(default, list) else default


def _bound(entry: Entry, key: str, type_: str) -> float | None:
    if type_ not in NUMBER_TYPES:
        return None
    number: float = entry.take(key, (int, float))
    return number if type_ == "integer" else float(number)


def _config_links(entry: Entry, choices: tuple[str, ...]) -> tuple[ConfigLink, ...]:
    data: dict[str, Any] = entry.take("config", dict, {})
    if not data:
        return ()
    link = Entry(data, "settings.yaml", "config")
    members: dict[str, str] = link.take("members", dict, {})
    if members:
        link.done()
        if set(members) != set(choices):
            raise entry.error("'config.members' must name each of the choices")
        return tuple(ConfigLink(field, member=word) for word, field in members.items())
    found = ConfigLink(link.take("field", str), link.take("factor", int, 1))
    link.done()
    return (found,)


def _refuse_twins(file: str, what: str, names: Iterable[str]) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise RegistryError(f"{file}: {what} '{name}' is declared twice")
        seen.add(name)
