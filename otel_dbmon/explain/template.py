"""A statement in pieces with parameters between them, which a server can plan without any value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

#: How many rows are taken to be asked for where nobody knows what LIMIT said.
ASSUMED_LIMIT = 100


class TemplateError(ValueError):
    """Why no template can be made of a text; the message holds nothing of it."""


@dataclass(frozen=True)
class Parameter:
    """A place for a value.

    Attributes:
        number: Counted from 1; the same place of the original keeps one number.
        type: The type it is cast to; "" if the server shall find out.
    """

    number: int
    type: str = ""


@dataclass(frozen=True)
class Template:
    """A text in pieces, with parameters between them.

    Attributes:
        pieces: The text and its parameters, in order.
        remarks: What was assumed.
    """

    pieces: tuple[str | Parameter, ...]
    remarks: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """How many different parameters there are."""
        return max((piece.number for piece in self.pieces if isinstance(piece, Parameter)), default=0)

    def text(self, style: Callable[[Parameter], str]) -> str:
        """The whole text."""
        return "".join(piece if isinstance(piece, str) else style(piece) for piece in self.pieces)


def dollar(parameter: Parameter) -> str:
    """PostgreSQL's style."""
    place = f"${parameter.number}"
    return f"CAST({place} AS {parameter.type})" if parameter.type else place


def colon(parameter: Parameter) -> str:
    """A style that sqlglot reads in every dialect, and SQLite."""
    return f":p{parameter.number}"
