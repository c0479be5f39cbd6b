"""A statement's text comes in, in any style of parameters; out goes one that a server can plan without any value.

Literals become parameters as well: what is asked is the plan for any value, and no value of a person's may get into the
server's log on our account. Numbers that are no values stay: positions in ORDER BY, the numbers of LIMIT and of types.
Where a parameter is no valid grammar, as in ``INTERVAL $1``, the text is put right, or it is said why that can't be.
"""

from __future__ import annotations

import re
from itertools import pairwise

import sqlglot
from sqlglot import Token, TokenType
from sqlglot.errors import SqlglotError

from otel_dbmon.explain.template import ASSUMED_LIMIT, Parameter, Template, TemplateError

_MAX_LENGTH = 100_000


def quoted(name: str, quote: str, dialect: str) -> str:
    """A name as it stands in SQL: in quotes unless it is a plain word that means nothing else."""
    tokens = sqlglot.tokenize(name, read=dialect) if _PLAIN.fullmatch(name) else []
    is_plain = len(tokens) == 1 and tokens[0].token_type == TokenType.VAR
    return name if is_plain else quote + name.replace(quote, quote * 2) + quote


_STRINGS = frozenset(
    {
        TokenType.STRING,
        TokenType.NATIONAL_STRING,
        TokenType.RAW_STRING,
        TokenType.BYTE_STRING,
        TokenType.HEREDOC_STRING,
        TokenType.UNICODE_STRING,
        TokenType.BIT_STRING,
        TokenType.HEX_STRING,
    }
)
_OPERANDS = frozenset(
    {
        *_STRINGS,
        TokenType.VAR,
        TokenType.IDENTIFIER,
        TokenType.NUMBER,
        TokenType.R_PAREN,
        TokenType.R_BRACKET,
        TokenType.PLACEHOLDER,
    }
)
_TYPED = {
    TokenType.INTERVAL: "interval",
    TokenType.DATE: "date",
    TokenType.TIME: "time",
    TokenType.TIMESTAMP: "timestamp",
    TokenType.TIMESTAMPTZ: "timestamptz",
}
_PLAIN = re.compile("[a-z_][a-z0-9_]*")
_NUMBERED = re.compile(r"(?<![\w$])\$(\d+)")
_UNITS = re.compile(r"(?:year|month|day|hour|minute|second|week)s?", re.IGNORECASE)
_NOW = frozenset(
    {"now", "current_timestamp", "current_date", "localtimestamp", "transaction_timestamp", "clock_timestamp"}
)
_BY = frozenset({TokenType.ORDER_BY, TokenType.GROUP_BY})
_ENDS_BY = frozenset(
    {
        TokenType.LIMIT,
        TokenType.OFFSET,
        TokenType.FETCH,
        TokenType.HAVING,
        TokenType.UNION,
        TokenType.EXCEPT,
        TokenType.INTERSECT,
        TokenType.FOR,
        TokenType.SEMICOLON,
        TokenType.WINDOW,
    }
)
_ENDS_ITEM = frozenset(
    {*_ENDS_BY, TokenType.COMMA, TokenType.ASC, TokenType.DESC, TokenType.R_PAREN, TokenType.ORDER_BY}
)
_INT4, _INT8 = 1 << 31, 1 << 63


def template_of(text: str, dialect: str, limit: int = ASSUMED_LIMIT) -> Template:
    """Make a template.

    Args:
        text: The statement.
        dialect: Whose SQL it is, as sqlglot calls it.
        limit: What an unknown LIMIT is taken to be.

    Raises:
        TemplateError: It holds no statement, more than one, or a parameter where none can be.
    """
    if len(text) > _MAX_LENGTH:
        raise TemplateError("it is too long")
    # sqlglot takes the `$1, $` of `$1, $2` for the tag of a quoted text; PostgreSQL lets no tag begin with a digit.
    text = _NUMBERED.sub(r":p\1", text)
    try:
        text, tokens = _without_comments(text, sqlglot.tokenize(text, read=dialect), dialect)
    except SqlglotError:
        raise TemplateError("its text cannot be read: it may be cut off") from None
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        raise TemplateError("it is empty")
    if any(token.token_type == TokenType.SEMICOLON for token in tokens):
        raise TemplateError("it is more than one statement")
    return _Writer(text, tokens, dialect, limit).write()


def _without_comments(text: str, tokens: list[Token], dialect: str) -> tuple[str, list[Token]]:
    """The text with nothing but its tokens and blanks: comments hold values, and servers differ on where they end."""
    gaps = [text[one.end + 1 : other.start] for one, other in pairwise(tokens)]
    if tokens and not any(gap.strip() for gap in (text[: tokens[0].start], *gaps, text[tokens[-1].end + 1 :])):
        return text, tokens
    words = [text[token.start : token.end + 1] for token in tokens]
    clean = "".join(word + (" " if gap else "") for word, gap in zip(words, [*gaps, ""], strict=True)) if words else ""
    return clean, sqlglot.tokenize(clean, read=dialect)


class _Writer:
    """Goes through the tokens once, from left to right."""

    def __init__(self, text: str, tokens: list[Token], dialect: str, limit: int) -> None:
        self._text = text
        self._tokens = tokens
        self._is_postgres = dialect == "postgres"
        self._limit = limit
        self._pieces: list[str | Parameter] = []
        self._copied = 0
        self._numbers: dict[str, int] = {}
        self._remarks: list[str] = []
        # For every open bracket, whether a list of ORDER BY or GROUP BY is being read there.
        self._lists = [False]

    def write(self) -> Template:
        """The template."""
        index = 0
        while index < len(self._tokens):
            index = self._step(index)
        end = self._tokens[-1].end + 1
        if self._copied < end:
            self._pieces.append(self._text[self._copied : end])
        return Template(tuple(self._pieces), tuple(dict.fromkeys(self._remarks)))

    def _kind(self, index: int) -> TokenType | None:
        return self._tokens[index].token_type if 0 <= index < len(self._tokens) else None

    def _step(self, index: int) -> int:
        """Deal with what starts here; answers where the next thing starts."""
        kind = self._kind(index)
        if kind in (TokenType.L_PAREN, TokenType.L_BRACKET):
            self._lists.append(False)
        elif kind in (TokenType.R_PAREN, TokenType.R_BRACKET) and len(self._lists) > 1:
            self._lists.pop()
        elif kind in _BY:
            self._lists[-1] = True
        elif kind in _ENDS_BY:
            self._lists[-1] = False
        elif (end := self._masked_type(index)) or (end := self._typed_literal(index)):
            return end
        elif found := self._value(index):
            return self._take(index, *found)
        return index + 1

    def _value(self, index: int) -> tuple[int, str] | None:
        """Where the parameter or literal that starts here ends, and its name; None if there is none."""
        kind = self._kind(index)
        token = self._tokens[index]
        if kind in _STRINGS or kind == TokenType.NUMBER:
            return index + 1, ""
        if kind == TokenType.PLACEHOLDER:
            # JSON's `data ? 'key'`: no value follows another.
            is_operator = self._is_postgres and self._value_follows(index + 1)
            return None if is_operator else (index + 1, "")
        if kind == TokenType.PARAMETER and self._is_next(index, (TokenType.NUMBER, TokenType.VAR)):
            return index + 2, token.text + self._tokens[index + 1].text
        if kind == TokenType.COLON and self._is_next(index, (TokenType.VAR, TokenType.NUMBER)):
            # In `a[x:y]` it stands between operands.
            is_slice = self._kind(index - 1) in _OPERANDS and self._tokens[index - 1].end + 1 == token.start
            return None if is_slice else (index + 2, ":" + self._tokens[index + 1].text)
        if (
            kind == TokenType.DOT
            and self._kind(index - 1) not in _OPERANDS
            and self._is_next(index, (TokenType.NUMBER,))
        ):
            return index + 2, ""
        if kind == TokenType.MOD and self._kind(index - 1) not in _OPERANDS:
            return self._percent(index)
        return None

    def _value_follows(self, index: int) -> bool:
        return self._kind(index) in {*_STRINGS, TokenType.PLACEHOLDER, TokenType.COLON}

    def _is_next(self, index: int, kinds: tuple[TokenType, ...]) -> bool:
        """Whether a token of one of these kinds follows without a blank."""
        return self._kind(index + 1) in kinds and self._tokens[index + 1].start == self._tokens[index].end + 1

    def _percent(self, index: int) -> tuple[int, str] | None:
        word = self._tokens[index + 1].text if self._is_next(index, (TokenType.VAR,)) else ""
        if word in ("s", "b", "t"):
            return index + 2, ""
        if self._is_next(index, (TokenType.L_PAREN,)) and self._kind(index + 3) == TokenType.R_PAREN:
            return index + 5, "%" + self._tokens[index + 2].text
        return None

    def _take(self, index: int, end: int, name: str) -> int:
        """Put what stands for the value at its place."""
        before = self._kind(index - 1)
        literal = self._kind(index) == TokenType.NUMBER
        if self._lists[-1] and (before in _BY or before == TokenType.COMMA) and self._ends_item(end):
            if not literal:
                raise TemplateError("a position in its ORDER BY or GROUP BY is masked")
        elif self._is_limit(index):
            if not literal:
                self._replace(index, end, self._assumed_limit(index))
        elif before == TokenType.L_PAREN and self._is_word(index - 2, "extract"):
            # Any field will do; it makes no difference to a plan.
            self._replace(index, end, "epoch")
        elif self._is_word(index - 1, "is") or (self._is_word(index - 1, "not") and self._is_word(index - 2, "is")):
            self._replace(index, end, "TRUE")
        elif not (literal and self._is_in_type(index)):
            self._replace(index, end, Parameter(self._number(name), self._type(index, end)))
        return end

    def _ends_item(self, index: int) -> bool:
        return self._kind(index) in _ENDS_ITEM or self._kind(index) is None or self._is_word(index, "nulls")

    def _is_limit(self, index: int) -> bool:
        before = self._kind(index - 1)
        if before in (TokenType.LIMIT, TokenType.OFFSET, TokenType.FETCH):
            return True
        if before in (TokenType.FIRST, TokenType.NEXT):
            return self._kind(index - 2) == TokenType.FETCH
        return before == TokenType.COMMA and self._kind(index - 3) == TokenType.LIMIT

    def _assumed_limit(self, index: int) -> str:
        if self._kind(index - 1) == TokenType.OFFSET or self._kind(index + 1) == TokenType.COMMA:
            return "0"
        self._remarks.append(f"LIMIT taken to be {self._limit:,}")
        return str(self._limit)

    def _is_word(self, index: int, word: str) -> bool:
        return 0 <= index < len(self._tokens) and self._tokens[index].text.lower() == word

    def _is_in_type(self, index: int) -> bool:
        """Whether a number is the 20 of ``::varchar(20)`` or the 2 of ``AS numeric(10, 2)``."""
        while self._kind(index - 1) in (TokenType.COMMA, TokenType.NUMBER):
            index -= 1
        return self._kind(index - 1) == TokenType.L_PAREN and self._is_type(index - 2)

    def _is_type(self, index: int) -> bool:
        return self._kind(index - 1) in (TokenType.DCOLON, TokenType.ALIAS)

    def _masked_type(self, index: int) -> int:
        """Drop the brackets of ``::varchar(?)``."""
        if self._kind(index) == TokenType.L_PAREN or not self._is_type(index):
            return 0
        if self._kind(index + 1) != TokenType.L_PAREN or self._kind(index + 2) != TokenType.PLACEHOLDER:
            return 0
        end = index + 2
        while self._kind(end) in (TokenType.PLACEHOLDER, TokenType.COMMA):
            end += 1
        if self._kind(end) != TokenType.R_PAREN:
            return 0
        self._replace(index + 1, end + 1, "")
        return end + 1

    def _typed_literal(self, index: int) -> int:
        """Turn ``INTERVAL ?``, with or without a unit, into a cast: PostgreSQL wants a string there, no parameter."""
        kind = self._kind(index)
        if not self._is_postgres or kind not in _TYPED or index + 1 >= len(self._tokens):
            return 0
        found = self._value(index + 1)
        if found is None:
            return 0
        end, name = found
        if kind == TokenType.INTERVAL and end < len(self._tokens) and _UNITS.fullmatch(self._tokens[end].text):
            found = end + 1, name
        self._replace(index, found[0], Parameter(self._number(name), _TYPED[kind]))
        return found[0]

    def _type(self, index: int, end: int) -> str:
        if not self._is_postgres or self._kind(end) == TokenType.DCOLON:
            return ""
        if self._kind(index) == TokenType.NUMBER:
            return _number_type(self._tokens[index].text)
        if self._kind(index - 1) in (TokenType.DASH, TokenType.PLUS):
            start = index - 2
            if self._kind(start) == TokenType.R_PAREN and self._kind(start - 1) == TokenType.L_PAREN:
                start -= 2
            if 0 <= start < len(self._tokens) and self._tokens[start].text.lower() in _NOW:
                return "interval"
        return ""

    def _number(self, name: str) -> int:
        if not name:
            name = f" {len(self._numbers)}"
        return self._numbers.setdefault(name, len(self._numbers) + 1)

    def _replace(self, index: int, end: int, new: str | Parameter) -> None:
        start = self._tokens[index].start
        self._pieces += [self._text[self._copied : start], new]
        self._copied = self._tokens[end - 1].end + 1


def _number_type(text: str) -> str:
    if not text.isdecimal():
        return "numeric"
    value = int(text)
    return "integer" if value < _INT4 else "bigint" if value < _INT8 else "numeric"
