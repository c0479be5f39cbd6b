"""Turns what a person wrote into a setting's value and a value back into text, and says what is allowed."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_dbmon_semconv.declarations import Setting

_NONE: Final = "none"  # the word for an empty list, as in OTEL_TRACES_EXPORTER
_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_MAX_ITEMS = 200


def parse(setting: Setting, value: Any) -> Any:
    """Turn text, or a value of Python's own, into the type and within the bounds of ``setting``.

    Raises:
        ValueError: The value is not allowed; ``expected()`` says what is.
    """
    try:
        return _PARSERS[setting.type](setting, value.strip() if isinstance(value, str) else value)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"not {expected(setting)}") from None


def spell(value: Any) -> str:
    """Write a setting's value as the environment would."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(map(spell, value)) or _NONE
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def expected(setting: Setting) -> str:
    """Say which values are allowed, to follow "is not" or "has to be"."""
    if setting.type == "boolean":
        return "true or false"
    if setting.type == "string":
        return "a text"
    if setting.type == "enum":
        return f"one of {', '.join(setting.choices)}"
    if setting.type == "enum_list":
        return f"a list of {', '.join(setting.choices)}, or {_NONE}"
    bounds = f"from {spell(setting.minimum)} to {spell(setting.maximum)}"
    if setting.type == "float_list":
        return f"a strictly increasing list of at most {_MAX_ITEMS} numbers, each {bounds}"
    if setting.type == "integer":
        return f"an integer {bounds}"
    return f"a number of milliseconds {bounds}" if setting.type == "milliseconds" else f"a number {bounds}"


def _boolean(setting: Setting, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _WORDS:
        return _WORDS[value.lower()]
    raise ValueError


def _integer(setting: Setting, value: Any) -> int:
    if isinstance(value, (bool, float)):
        raise TypeError
    return int(_bounded(setting, int(value)))


def _float(setting: Setting, value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    return _bounded(setting, float(value))


def _float_list(setting: Setting, value: Any) -> tuple[float, ...]:
    numbers = tuple(_float(setting, item) for item in _items(value))
    if not numbers or any(left >= right for left, right in pairwise(numbers)):
        raise ValueError
    return numbers


def _enum(setting: Setting, value: Any) -> str:
    word = str.strip(value).lower()
    if word not in setting.choices:
        raise ValueError
    return word


def _enum_list(setting: Setting, value: Any) -> tuple[str, ...]:
    words = [str.strip(item).lower() for item in _items(value)]
    if words in ([], [_NONE]):
        return ()
    if not set(words) <= set(setting.choices):
        raise ValueError
    return tuple(choice for choice in setting.choices if choice in words)


def _string(setting: Setting, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _items(value: Any) -> list[Any]:
    items = value.split(",") if isinstance(value, str) else list(value)
    if len(items) > _MAX_ITEMS:
        raise ValueError
    return items


def _bounded(setting: Setting, number: float) -> float:
    assert setting.minimum is not None
    assert setting.maximum is not None
    # Written so that NaN, which is neither less nor greater than anything, is refused.
    if not setting.minimum <= number <= setting.maximum:
        raise ValueError
    return number


_PARSERS: Mapping[str, Callable[[Setting, Any], Any]] = {
    "boolean": _boolean,
    "milliseconds": _float,
    "number": _float,
    "integer": _integer,
    "float_list": _float_list,
    "enum": _enum,
    "enum_list": _enum_list,
    "string": _string,
}
