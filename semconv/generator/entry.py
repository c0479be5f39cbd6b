"""Takes one YAML mapping, hands out its keys one by one, each checked; errors name the file and the entry."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml

_Value = TypeVar("_Value")
_REQUIRED: Any = object()


class RegistryError(Exception):
    """The registry contradicts itself or its form; the text names file and entry."""


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML lets a mapping repeat a key and keeps the last one; a registry must not lose a line that way."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise RegistryError(f"{key_node.start_mark.name}: line {line}: key '{key}' is given twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


class Entry:
    """One mapping of a registry file."""

    def __init__(self, data: Any, file: str, label: str) -> None:
        self._file = file
        self._label = label
        if not isinstance(data, dict):
            raise self.error("is not a mapping")
        self._data = dict(data)

    @classmethod
    def of_file(cls, path: Path) -> Entry:
        """Read a whole file as one entry."""
        try:
            with path.open(encoding="utf-8") as stream:
                loader = _UniqueKeyLoader(stream)
                loader.name = path.name
                return cls(loader.get_single_data(), path.name, "the file")
        except yaml.YAMLError as error:
            raise RegistryError(f"{path.name}: {error}") from error

    def error(self, problem: str) -> RegistryError:
        """Name this entry as the one that has ``problem``."""
        return RegistryError(f"{self._file}: {self._label}: {problem}")

    def take(self, key: str, kind: type[_Value] | tuple[type[_Value], ...], default: _Value = _REQUIRED) -> _Value:
        """Hand out the value of ``key``, which must be of ``kind`` (or absent, where there is a default)."""
        if key not in self._data:
            if default is _REQUIRED:
                raise self.error(f"'{key}' is missing")
            return default
        value = self._data.pop(key)
        # A Python bool is an int, but `minimum: true` is a slip.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind in (int, (int, float))):
            raise self.error(f"'{key}' has the wrong type: {value!r}")
        return value

    def word(self, key: str, allowed: tuple[str, ...], default: str = _REQUIRED) -> str:
        """Hand out one of the ``allowed`` words."""
        value = self.take(key, str, default)
        if value not in allowed and value != default:
            raise self.error(f"'{key}' is '{value}', not one of {', '.join(allowed)}")
        return value

    def sentence(self, key: str = "brief", longest: int = 100) -> str:
        """Hand out one line of text that ends like a sentence and fits a table's cell and a line of code."""
        value = self.prose(key)
        if not value.endswith(".") or len(value) > longest:
            raise self.error(f"'{key}' is not one sentence of at most {longest} characters")
        return value

    def prose(self, key: str, default: str = _REQUIRED) -> str:
        """Hand out one line of text that may stand in a docstring and in a table."""
        value = self.take(key, str, default)
        if not value.isprintable() or "\\" in value or '"""' in value:
            raise self.error(
                f"'{key}' holds a line feed, a backslash, three quotes or a character that can't be printed"
            )
        return value

    def examples(self) -> tuple[str, ...]:
        """Hand out the examples, at least one, as text."""
        values: list[Any] = self.take("examples", list, [])
        if not values:
            raise self.error("'examples' is missing or empty")
        return tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in values)

    def words(self, key: str) -> tuple[str, ...]:
        """Hand out a list of distinct words, empty where ``key`` is absent."""
        values: list[Any] = self.take(key, list, [])
        if not all(isinstance(value, str) for value in values) or len(set(values)) != len(values):
            raise self.error(f"'{key}' is not a list of distinct words")
        return tuple(values)

    def entries(self, key: str, name_key: str) -> list[Entry]:
        """Hand out a list of mappings, each labelled by its ``name_key``."""
        found = []
        for number, data in enumerate(self.take(key, list), start=1):
            name = data.get(name_key, f"number {number}") if isinstance(data, dict) else f"number {number}"
            found.append(Entry(data, self._file, f"{key}: {name}"))
        return found

    def done(self) -> None:
        """Refuse the keys that nobody asked for."""
        if self._data:
            raise self.error(f"unknown key '{next(iter(self._data))}'")
