"""Reads the environment by the registry into typed settings that know where each value came from."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, NoReturn

from otel_dbmon_processors.config import Config
from otel_dbmon_semconv.declarations import Setting
from otel_dbmon_semconv.forms import expected, parse, spell
from otel_dbmon_semconv.settings import SETTINGS, Values, config_arguments

_logger = logging.getLogger("otel_dbmon")

_PREFIX = "OTEL_DBMON_"
_MAX_QUOTED = 80

#: What ``override()`` was told last; never changed in place, so a thread that reads it needs no lock.
_overrides: Mapping[str, Any] = {}
#: The warnings given so far. ``setdefault`` is atomic, and a lock could be held by another thread while it forks.
_said: dict[str, object] = {}


class Entry(NamedTuple):
    """One setting as it is in force, spelled as in the environment.

    Attributes:
        name: The variable.
        value: What is used.
        default: What would be used without the variable.
        source: ``default``, ``environment``, ``argument``, or why the environment's value is not used.
    """

    name: str
    value: str
    default: str
    source: str


class Settings(Values):
    """Every setting's value, read-only; the attributes are declared in ``semconv/registry/settings.yaml``."""

    __slots__ = ("_sources",)

    _sources: Mapping[str, str]

    def __init__(self, values: Mapping[str, Any], sources: Mapping[str, str]) -> None:
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)
        object.__setattr__(self, "_sources", sources)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"settings are read-only: '{name}' is not changed")

    def config(self) -> Config:
        """Say to the pipeline what it has to know."""
        return Config(**config_arguments(self))

    def entries(self) -> list[Entry]:
        """List every setting with its value and where that came from, in the registry's order."""
        return [
            Entry(
                setting.name,
                spell(getattr(self, setting.attribute)),
                spell(setting.default),
                self._sources[setting.attribute],
            )
            for setting in SETTINGS
        ]


def load(environ: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings: an argument wins over the environment, the environment over the default.

    A wrong value in the environment never raises: the default is used, and one warning in the life of the process says
    so. A variable that looks like one of ours but is none is warned of as well.

    Args:
        environ: The environment, ``os.environ`` by default.
        overrides: Values by the names of the attributes, beside those given to ``override()``; None counts as absent.

    Raises:
        ValueError: An override is unknown or has a wrong value.
    """
    environment = os.environ if environ is None else environ
    arguments = {**_overrides, **_checked(overrides or {})}
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for setting in SETTINGS:
        if setting.attribute in arguments:
            found = arguments[setting.attribute], "argument"
        else:
            found = _from_environment(setting, environment.get(setting.name, "").strip())
        values[setting.attribute], sources[setting.attribute] = found
    _warn_of_unknown(environment)
    return Settings(values, sources)


def override(overrides: Mapping[str, Any]) -> None:
    """Let these values win in every later ``load()`` of this process; each call replaces the one before.

    Raises:
        ValueError: An override is unknown or has a wrong value; nothing is changed then.
    """
    global _overrides
    _overrides = _checked(overrides)


def _checked(overrides: Mapping[str, Any]) -> dict[str, Any]:
    by_attribute = {setting.attribute: setting for setting in SETTINGS}
    unknown = next((name for name in overrides if name not in by_attribute), None)
    if unknown is not None:
        raise ValueError(f"{_quoted(unknown)} is not a setting of otel-dbmon{_nearest(unknown, by_attribute)}")
    return {name: _checked_value(by_attribute[name], value) for name, value in overrides.items() if value is not None}


def _checked_value(setting: Setting, value: Any) -> Any:
    try:
        return parse(setting, value)
    except ValueError:
        raise ValueError(f"{setting.attribute}={_quoted(value)} is not {expected(setting)}") from None


def _from_environment(setting: Setting, text: str) -> tuple[Any, str]:
    if not text:
        return setting.default, "default"
    try:
        return parse(setting, text), "environment"
    except ValueError:
        problem = f"{_quoted(text)} is not {expected(setting)}"
        _warn(setting.name, f"{setting.name}={problem}; using {spell(setting.default)}")
        return setting.default, f"default (the environment's value {problem})"


def _warn_of_unknown(environment: Mapping[str, str]) -> None:
    known = [setting.name for setting in SETTINGS]
    for name in environment:
        if name.startswith(_PREFIX) and name not in known:
            _warn(name, f"{_quoted(name)} is not a setting of otel-dbmon{_nearest(name, known)}; it is not used")


def _warn(variable: str, text: str) -> None:
    said = object()
    if _said.setdefault(variable, said) is said:
        _logger.warning("%s", text)


def _nearest(name: Any, known: Iterable[str]) -> str:
    import difflib  # most processes never get here

    found = difflib.get_close_matches(str(name)[:_MAX_QUOTED], known, n=1)
    return f", did you mean {found[0]}?" if found else ""


def _quoted(value: Any) -> str:
    # repr keeps a line feed or a broken character from forging or breaking a line of the log.
    text = repr(value)
    return text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + "..."
