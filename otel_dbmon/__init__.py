"""Database monitoring on OpenTelemetry: what a service turns on, by the launcher or with one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_dbmon.programmatic import instrument as instrument

__all__ = ["__version__", "instrument"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # The launcher imports this package in every process: what it does not need there is loaded on first use.
    if name == "instrument":
        from otel_dbmon.programmatic import instrument

        return instrument
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
