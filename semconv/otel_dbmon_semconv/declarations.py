"""The shapes of the generated constants: what a service knows of a metric and of a setting. Written by hand."""

from __future__ import annotations

from typing import Any, Final


class _WrittenOnce:
    """What is set once stays; a NamedTuple or dataclass would say the same for half a millisecond of import each."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(self, name):
            raise AttributeError(f"'{name}' of a {type(self).__name__} does not change")
        object.__setattr__(self, name, value)


class Metric(_WrittenOnce):
    """One instrument.

    Attributes:
        name: OpenTelemetry name.
        kind: ``counter``, ``gauge``, ``histogram`` or ``updowncounter``.
        unit: UCUM unit, "" for none.
        description: One sentence.
        attributes: Names of the data points' attributes, in the order of the registry.
        prometheus_name: Name of the series (of a histogram without ``_bucket``, ``_sum``, ``_count``).
        family: The word in OTEL_DBMON_METRIC_FAMILIES that turns it on; ``dbmon`` is always on.
    """

    __slots__ = ("attributes", "description", "family", "kind", "name", "prometheus_name", "unit")

    def __init__(
        self,
        name: str,
        kind: str,
        unit: str,
        description: str,
        attributes: tuple[str, ...],
        prometheus_name: str,
        family: str,
    ) -> None:
        self.name: Final = name
        self.kind: Final = kind
        self.unit: Final = unit
        self.description: Final = description
        self.attributes: Final = attributes
        self.prometheus_name: Final = prometheus_name
        self.family: Final = family


class Setting(_WrittenOnce):
    """One environment variable that is read.

    Attributes:
        name: The variable.
        attribute: Its name on ``Settings`` and as an argument of ``instrument()``.
        type: ``boolean``, ``milliseconds``, ``number``, ``integer``, ``float_list``, ``enum``, ``enum_list`` or
            ``string``.
        default: The value without the variable, in the type of ``Settings``.
        minimum: Least number allowed, None where the type is no number.
        maximum: Greatest number allowed, None where the type is no number.
        choices: The words an ``enum`` or ``enum_list`` may hold.
        brief: One sentence.
    """

    __slots__ = ("attribute", "brief", "choices", "default", "maximum", "minimum", "name", "type")

    def __init__(
        self,
        name: str,
        attribute: str,
        type: str,
        default: Any,
        minimum: float | None,
        maximum: float | None,
        choices: tuple[str, ...],
        brief: str,
    ) -> None:
        self.name: Final = name
        self.attribute: Final = attribute
        self.type: Final = type
        self.default: Final = default
        self.minimum: Final = minimum
        self.maximum: Final = maximum
        self.choices: Final = choices
        self.brief: Final = brief
