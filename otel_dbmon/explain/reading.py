"""A statement as the driver got it comes in; out goes a template of it in which every value has become a parameter.

No value of a person's shall get into the server's log, or its statistics of statements, on our account. What is sent
holds no literal, so there is no way out of one either: words, quoted names, operators, and numbers that are no values
(positions in ORDER BY, the numbers of LIMIT and of types). A text that is not known to be one complete statement is
refused; whether it is a valid one, the server says.
"""

from __future__ import annotations

import re
from itertools import count
from typing import NamedTuple

from otel_dbmon.explain.template import ASSUMED_LIMIT, Parameter, Template, TemplateError
from otel_dbmon_processors.dialects import dialect_for
from otel_dbmon_processors.lexer import lexer_for

_MAX_LENGTH = 100_000
_MAX_PARAMETERS = 2_000
#: What a statement that only reads or writes rows begins with.
_VERBS = frozenset({"select", "with", "insert", "update", "delete", "merge", "values"})

_NAME = r'(?:[uU]&)?"(?:[^"]|"")*"'
_WORD = r"[^\W\d][\w$]*"
_NUMBER = r"(?:\d\w*(?:\.\d*)?|\.\d+)(?:(?<=[eE])[+-]\d+)?(?:[eE][+-]?\d+)?"
_TOKENS = {
    "postgresql": re.compile(
        rf"""(?P<space>\s+)
        |(?P<string>[eE]'(?:[^'\\]|''|\\.)*'|(?:[nNbBxX]|[uU]&)?'(?:[^']|'')*'|\$(?P<tag>(?:{_WORD})?)\$.*?\$(?P=tag)\$)
        |(?P<name>{_NAME})
        |(?P<parameter>\$\d+|%\([^()]+\)[sbt]\b|%[sbt]\b)
        |(?P<percent>%%)
        |(?P<word>{_WORD})
        |(?P<number>{_NUMBER})
        |(?P<other>[^'"$])""",
        re.DOTALL | re.VERBOSE,
    ),
    "sqlite": re.compile(
        rf"""(?P<space>\s+)
        |(?P<string>[xX]?'(?:[^']|'')*')
        |(?P<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
        |(?P<parameter>\?\d*|[:@$]{_WORD})
        |(?P<word>{_WORD})
        |(?P<number>{_NUMBER})
        |(?P<other>[^'"`\[])""",
        re.DOTALL | re.VERBOSE,
    ),
}
_ANONYMOUS = frozenset({"?", "%s", "%b", "%t"})
_LIMITS = frozenset({"limit", "first", "next", "fetch"})
#: What is cast by standing before a string: there, PostgreSQL wants no parameter.
_TYPED = frozenset({"interval", "date", "time", "timestamp", "timestamptz"})
_UNIT = re.compile(r"(?:year|month|day|hour|minute|second|week)s?", re.IGNORECASE)
_SIZED = frozenset(
    {
        *("varchar", "char", "character", "varying", "bpchar", "numeric", "decimal", "bit", "float", "timestamp"),
        *("timestamptz", "time", "timetz", "interval", "vector"),
    }
)
_ENDS_LIST = frozenset(
    {"limit", "offset", "fetch", "having", "union", "except", "intersect", "for", "window", "returning"}
)
_ENDS_ITEM = frozenset({*_ENDS_LIST, ",", ")", "asc", "desc", "nulls", "order", ""})
_INT4, _INT8 = 1 << 31, 1 << 63


class _Token(NamedTuple):
    kind: str
    text: str
    gap: str = ""  # a blank where there was one before it

    @property
    def word(self) -> str:
        """What it says, if it is a word or a sign."""
        return self.text.lower() if self.kind in ("word", "other") else self.kind


_END = _Token("other", "")


def template_of(statement: str, system: str) -> Template:
    """Make a template.

    Args:
        statement: The whole text.
        system: ``postgresql`` or ``sqlite``.

    Raises:
        TemplateError: It is no single complete statement that only reads or writes rows.
    """
    if not statement or len(statement) > _MAX_LENGTH:
        raise TemplateError("it is empty or too long")
    tokens = _tokens(lexer_for(dialect_for(system)).without_comments(statement), system)
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    verb = next((token.word for token in tokens if token.text != "("), "")
    if verb not in _VERBS:
        raise TemplateError("it is no plain statement")
    if any(token.text == ";" for token in tokens):
        raise TemplateError("it is more than one statement")
    _check_signs(tokens)
    return Template(tuple(_Writer(tokens, system).write()))


def _tokens(text: str, system: str) -> list[_Token]:
    tokens: list[_Token] = []
    position, gap = 0, ""
    for match in _TOKENS[system].finditer(text):
        if match.start() != position:
            break
        position = match.end()
        # The group that ended last encloses the tag's.
        kind = next(name for name, value in match.groupdict().items() if value is not None and name != "tag")
        if kind == "space":
            gap = " "
            continue
        tokens.append(_Token("other", "%", gap) if kind == "percent" else _Token(kind, match[0], gap))
        gap = ""
    if position != len(text):
        raise TemplateError("a quote in it does not end")
    return tokens


def _check_signs(tokens: list[_Token]) -> None:
    depth = 0
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if depth < 0:
            break
    if depth:
        raise TemplateError("its brackets do not pair: it may be cut off")
    signs = "".join(token.gap + (token.text if token.kind == "other" else " ") for token in tokens)
    if "--" in signs or "/*" in signs:
        raise TemplateError("it holds what may be a comment")


class _Writer:
    """Goes through the tokens once, from left to right."""

    def __init__(self, words: list[_Token], system: str) -> None:
        self._words = words
        self._has_types = system == "postgresql"
        self._numbers: dict[str, int] = {}
        self._anonymous = count()
        # For every open bracket: whether a list of ORDER BY or GROUP BY is read there, and whether it is a type's.
        self._lists = [False]
        self._types = [False]
        self._is_offset = self._is_limit = False

    def write(self) -> list[str | Parameter]:
        """The pieces, with a blank wherever there was one, and around each parameter."""
        pieces: list[str | Parameter] = []
        index = 0
        while index < len(self._words):
            gap = self._words[index].gap
            piece, index = self._step(index)
            pieces += [" ", piece, " "] if isinstance(piece, Parameter) else [gap, piece]
        return pieces

    def _at(self, index: int) -> _Token:
        return self._words[index] if 0 <= index < len(self._words) else _END

    def _step(self, index: int) -> tuple[str | Parameter, int]:
        token = self._words[index]
        if token.kind in ("string", "number", "parameter"):
            return self._value(index, token), index + 1
        word = token.word
        if self._has_types and word in _TYPED and self._at(index + 1).kind == "string":
            after = self._at(index + 2)
            is_unit = word == "interval" and after.kind == "word" and _UNIT.fullmatch(after.text) is not None
            return self._parameter(self._at(index + 1).text, word), index + (3 if is_unit else 2)
        self._watch(index, word)
        return token.text, index + 1

    def _watch(self, index: int, word: str) -> None:
        if word == "(":
            self._lists.append(False)
            self._types.append(self._at(index - 1).word in _SIZED)
        elif word == ")" and len(self._lists) > 1:
            self._lists.pop()
            self._types.pop()
        elif word == "by":
            self._lists[-1] = self._at(index - 1).word in ("order", "group")
        elif word in _ENDS_LIST:
            self._lists[-1] = False
        if word != ",":
            self._is_limit, self._is_offset = word in _LIMITS, word == "offset"

    def _value(self, index: int, token: _Token) -> str | Parameter:
        is_number = token.kind == "number"
        if self._is_offset or (self._is_limit and self._at(index + 1).text == ","):
            return token.text if is_number else "0"
        if self._is_limit:
            return token.text if is_number else str(ASSUMED_LIMIT)
        if is_number and (self._types[-1] or self._is_position(index)):
            return token.text
        if token.kind == "parameter":
            # %s and ? are a new one each time.
            name = f" {next(self._anonymous)}" if token.text in _ANONYMOUS else token.text
            return self._parameter(name, "")
        return self._parameter(token.text, _type_of(token.text) if is_number and self._has_types else "")

    def _is_position(self, index: int) -> bool:
        before = self._at(index - 1).word
        return self._lists[-1] and before in ("by", ",") and self._at(index + 1).word in _ENDS_ITEM

    def _parameter(self, name: str, kind: str) -> Parameter:
        number = self._numbers.setdefault(f"{kind} {name}", len(self._numbers) + 1)
        if number > _MAX_PARAMETERS:
            raise TemplateError("it holds too many values")
        return Parameter(number, kind)


def _type_of(number: str) -> str:
    if not number.isdecimal():
        return "numeric"
    value = int(number)
    return "integer" if value < _INT4 else "bigint" if value < _INT8 else "numeric"
