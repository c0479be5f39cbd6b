"""A template comes in, the text that may leave the process goes out.

What a template still shows after the lexer (white space, prefixes of strings, signs, long lists, Booleans, bare
passwords) is settled here by substitutions that only shorten: sanitizing a sanitized text changes nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache

from otel_dbmon_processors.dialects import Dialect, Reading
from otel_dbmon_processors.lexer import UNCLOSED, lexer_for, quoted_names

# N'..', E'..', B'..', X'..', U&'..', Q'..' and MySQL's _charset'..'
_PREFIX = re.compile(r"(?<![\w$@:.?&])(?:(?:[uU]&)*(?:[nN]?[qQ]|[nNeEbBxX]|_\w+)|(?:[uU]&)+)(?=\?)")
_SIGN = re.compile(
    r"(^|[=<>(,\[*/%|&^~!{;] ?|\b(?:select|and|or|not|between|then|else|when|limit|offset|in|like|by|return|values|where"
    r"|having|case|distinct|all|any|top|is|to|with|as|on) )[-+][-+ ]*(?=\?)",
    re.IGNORECASE,
)
_IN_LIST = re.compile(r"\b(in) ?\( ?\?(?: ?, ?\?)* ?\)", re.IGNORECASE)
_BARE = r"(?!null\b|\?)[^\s;,()=]+"
# A user may be called "password": the last of several is the keyword.
_PASSWORD = re.compile(
    rf"\b(password(?: password)*(?: ?= ?| is | by | for [^;=]*?(?:= ?|\bto ))?) ?{_BARE}", re.IGNORECASE
)
_IDENTIFIED = re.compile(r"\b(identified\b[^;]*?\bby(?: password)? )(?!\?|null\b)[^;]+", re.IGNORECASE)
_SETTING = re.compile(
    rf"((?:^|; ?)set (?:session |local )?[\w.]+ ?(?:=|\bto\b) ?)(?!on\b|off\b|default\b|@|\?){_BARE}(?: ?, ?{_BARE})*",
    re.IGNORECASE,
)
_COPIED = re.compile(r"(\bcopy\b[^;]*\bfrom stdin\b[^;]*;).*", re.IGNORECASE | re.DOTALL)
# Statements in which PASSWORD is a column or a table.
_DATA_STATEMENT = re.compile(
    r"(?:^|; ?)(?:select|insert|update|delete|merge|with|replace|values|truncate|call|exec(?:ute)?|grant|revoke"
    r"|(?:create|alter|drop)(?: \w+){0,3} (?:table|view|index))\b[^;]*",
    re.IGNORECASE,
)


class Sanitizer:
    """Makes templates of one dialect presentable and safe; compiled once, without state."""

    def __init__(self, dialect: Dialect) -> None:
        names = quoted_names(dialect)
        brackets = dialect.bracketed_names is not Reading.NO
        quotes = '"`\\[' if brackets else '"`'
        self._dialect = dialect
        self._quotes = ('"', "`", "[") if brackets else ('"', "`")
        self._chunks = re.compile(rf"(?:{'|'.join(names)}|[^\s{quotes}]+|[{quotes}])+", re.DOTALL).findall
        row = rf"\([^(){quotes}]*(?:(?:{'|'.join(names)}|[{quotes}])[^(){quotes}]*)*\)"
        row = row.replace("(?:", rf"(?:\([^(){quotes}]*(?:\([^()]*\)[^(){quotes}]*)*\)|", 1)
        self._rows = re.compile(rf"\b(values? ?(?:row ?)?{row})(?: ?, ?(?:row ?)?{row})+", re.IGNORECASE).sub
        self._booleans = _outside_names(names, r"(?<![\w$@:.])(?:true|false)(?![\w$.])")
        name = next((name for name in names if name.startswith('"')), None)
        part = rf"(?:{'|'.join(names)}|[^\W\d][\w$]*)"
        self._doubtful = (
            re.compile(rf"({part}(?: ?\. ?{part})+(?: ?\. ?\*)?)|{name}", re.IGNORECASE | re.DOTALL).sub
            if dialect.double_quoted_literals is Reading.EITHER and name
            else None
        )

    def tidy(self, template: str) -> str:
        """The template with single spaces and short lists; words in it are still as written."""
        text = template
        if "  " in text or not text.isprintable():
            text = " ".join(self._chunks(text) if any(quote in text for quote in self._quotes) else text.split())
        text = text.strip()
        if "?" in text:
            text = self._settle(text)
        return text

    def _settle(self, text: str) -> str:
        text = _PREFIX.sub("", text)
        if "-" in text or "+" in text:
            text = _SIGN.sub(r"\1", text)
        if "?," in text or "? ," in text or "( ?" in text or "(? " in text:
            text = _IN_LIST.sub(r"\1 (?)", text)
        if ")," in text or ") ," in text:
            text = self._rows(r"\1", text)
        return text

    def redact(self, tidied: str, *, booleans: bool, passwords: bool, copied: bool) -> str:
        """The text without what only its words show to be a value.

        Args:
            tidied: A text from ``tidy``.
            booleans: Whether there is a TRUE or FALSE.
            passwords: Whether there is a PASSWORD or IDENTIFIED.
            copied: Whether rows may follow a COPY .. FROM STDIN.
        """
        text = tidied
        if booleans:
            text = self._booleans(lambda match: match.group(1) or "?", text)
        if passwords:
            text = _hide_passwords(text)
        if copied:
            text = _COPIED.sub(r"\1", text)
        if self._dialect.bare_settings and text[:4].lower() == "set " or "; set " in text.lower():
            text = _SETTING.sub(r"\1?", text) if self._dialect.bare_settings else text
        if self._doubtful is not None and '"' in text:
            text = self._doubtful(lambda match: match.group(1) or "?", text)
        if text is not tidied:
            text = self.tidy(text)
        return text.replace(UNCLOSED, "[")


def _outside_names(names: list[str], pattern: str) -> "re.Pattern[str].sub":  # type: ignore[name-defined]
    return re.compile(rf"({'|'.join(names)})|{pattern}", re.IGNORECASE | re.DOTALL).sub


def _hide_passwords(text: str) -> str:
    pieces: list[str] = []
    position = 0
    for data in _DATA_STATEMENT.finditer(text):
        pieces.append(_PASSWORD.sub(r"\1 ?", text[position : data.start()]))
        pieces.append(data.group())
        position = data.end()
    pieces.append(_PASSWORD.sub(r"\1 ?", text[position:]))
    return _IDENTIFIED.sub(r"\1?", "".join(pieces))


@lru_cache(maxsize=None)
def sanitizer_for(dialect: Dialect) -> Sanitizer:
    """The sanitizer of a dialect, compiled at its first use."""
    return Sanitizer(dialect)
