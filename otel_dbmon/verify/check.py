"""One check: a name, what it shows, and a function from a target to a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from otel_dbmon.verify.results import Result
from otel_dbmon.verify.target import Target


@dataclass(frozen=True)
class Check:
    """A thing that is looked at by itself.

    Attributes:
        name: What it is called on the command line and in evidence; never changes.
        shows: What holds where it is ok, in one sentence.
        run: Looks; may raise nothing but what ``run.py`` expects.
    """

    name: str
    shows: str
    run: Callable[[Target], Result]
