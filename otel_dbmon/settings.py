"""Reads the environment by the registry into typed settings that know where each value came from."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple, NoReturn

from otel_dbmon_processors.config import Config
from otel_dbmon_semconv.declarations import NONE, Setting
from otel_dbmon_semconv.settings import SETTINGS, Values, config_arguments

_logger = logging.getLogger("otel_dbmon")

_PREFIX = "OTEL_DBMON_"
_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_MAX_LIST = 200
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
                setting.text(getattr(self, setting.attribute)),
                setting.text(setting.default),
                self._sources[setting.attribute],
            )
            for setting in SETTINGS
        ]


def load(environ: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings: an argument wins over the environment, the environment over the default.

    A wrong value in the environment never raises: it is warned of once in the life of the process, and the default is
    used. So is a variable that looks like one of ours and is none.

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
        return _PARSERS[setting.type](setting, value)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"{setting.attribute}={_quoted(value)} is not {setting.expected()}") from None


def _from_environment(setting: Setting, text: str) -> tuple[Any, str]:
    if not text:
        return setting.default, "default"
    try:
        return _PARSERS[setting.type](setting, text), "environment"
    except (ValueError, OverflowError):
        problem = f"{_quoted(text)} is not {setting.expected()}"
        _warn(setting.name, f"{setting.name}={problem}; using {setting.text(setting.default)}")
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

    found = difflib.get_close_matches(str(name), known, n=1)
    return f", did you mean {found[0]}?" if found else ""


def _quoted(value: Any) -> str:
    # repr keeps a line feed or a broken character from forging or breaking a line of the log.
    text = repr(value)
    return text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + "..."


def _boolean(setting: Setting, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _WORDS:
        return _WORDS[value.strip().lower()]
    raise ValueError


def _integer(setting: Setting, value: Any) -> int:
    if isinstance(value, (bool, float)):
        raise TypeError
    number = int(value)
    _check_bounds(setting, number)
    return number


def _float(setting: Setting, value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    number = float(value)
    _check_bounds(setting, number)
    return number


def _float_list(setting: Setting, value: Any) -> tuple[float, ...]:
    numbers = tuple(_float(setting, item) for item in _items(value))
    if not numbers or any(left >= right for left, right in pairwise(numbers)):
        raise ValueError
    return numbers


def _enum_list(setting: Setting, value: Any) -> tuple[str, ...]:
    words = [str(item).strip().lower() for item in _items(value)]
    if words in ([], [NONE]):
        return ()
    if not set(words) <= set(setting.choices):
        raise ValueError
    return tuple(choice for choice in setting.choices if choice in words)


def _string(setting: Setting, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError
    return value.strip()


def _items(value: Any) -> list[Any]:
    items = value.split(",") if isinstance(value, str) else list(value)
    if len(items) > _MAX_LIST:
        raise ValueError
    return items


def _check_bounds(setting: Setting, number: float) -> None:
    minimum = -math.inf if setting.minimum is None else setting.minimum
    maximum = math.inf if setting.maximum is None else setting.maximum
    # Written so that NaN, which is neither less nor greater than anything, is refused.
    if not minimum <= number <= maximum:
        raise ValueError


_PARSERS: Mapping[str, Callable[[Setting, Any], Any]] = {
    "boolean": _boolean,
    "milliseconds": _float,
    "integer": _integer,
    "float_list": _float_list,
    "enum_list": _enum_list,
    "string": _string,
}
