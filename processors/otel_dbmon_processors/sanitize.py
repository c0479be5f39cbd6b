"""A template comes in, the text that may leave the process goes out.

What a template still shows after the lexer (white space, prefixes of strings, signs, long lists, Booleans, bare
passwords) is settled here by substitutions that only shorten: sanitizing a sanitized text changes nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache

from otel_dbmon_processors.dialects import Dialect, Reading
from otel_dbmon_processors.lexer import quoted_names

# N'..', E'..', B'..', X'..', U&'..', Q'..' and MySQL's _charset'..'
_PREFIX = re.compile(r"(?<![\w$@:.?&])(?:(?:[uU]&)*(?:[nN]?[qQ]|[nNeEbBxX]|_\w+)|(?:[uU]&)+)(?=\?)")
_PREFIXED = re.compile(r"\?(?<=[\w&]\?)")
_SIGNED = re.compile(r"\?(?:(?<=[-+]\?)|(?<=[-+] \?))")
_SIGNS = re.compile(r"[-+](?<![-+].)(?<![-+] .)[-+ ]*(?=\?)")
# Before a sign of a number: an operator or one of these words. After anything else the sign is an operator itself.
_OPERATORS = frozenset("=<>(,[*/%|&^~!{;")
_OPERATOR_WORDS = frozenset(
    "select and or not between then else when limit offset in like by return values where having case distinct all any top "
    "is to with as on set from interval returning".split()
)
_POINT = re.compile(r"\.(?<![\w\"`\])?.]\.)(?=\?)")
_IN_LIST = re.compile(r"\((?:(?<=\W[iI][nN]\()|(?<=\W[iI][nN] \()) ?\?(?: ?, ?\?)* ?\)")
_IN_ARRAY = re.compile(r"(?<=\bin array) ?\[ ?\?(?: ?, ?\?)* ?\]", re.IGNORECASE)
# Oracle's own names for literals that it took out (CURSOR_SHARING); their numbers depend on the length of lists.
_SYSTEM_BIND = re.compile(r'(:"SYS_B_)\d+(?=")')
# SQL Server shows the parameters of a prepared statement before it.
_DECLARED_PARAMETERS = re.compile(r"^\( ?@\w+ [^()]*(?:\([^()]*\)[^()]*)*\) ?(?=\w)")
_BARE = r"(?!null\b|\?)[^\s;,()=]+"
# A user may be called "password": the last of several is the keyword.
_PASSWORD = re.compile(
    rf"\b(password\b(?: password\b)*(?: ?=| is\b| by\b| for [^;=]*?(?:=|\bto\b))?) ?{_BARE}", re.IGNORECASE
)
_IDENTIFIED = re.compile(r"\b(identified\b[^;]*?\bby(?: password)? )(?!\?|null\b)[^;]+", re.IGNORECASE)
_SETTING = re.compile(
    rf"((?:^|; ?)set (?:session |local )?[\w.]+ ?(?:=|\bto\b) ?)(?!on\b|off\b|default\b|@|\?){_BARE}(?: ?, ?{_BARE})*",
    re.IGNORECASE,
)
_BOOLEAN = re.compile(
    r"[tTfF](?<![\w$@:.\"`\[].)(?:(?<=[tT])[rR][uU][eE]|(?<=[fF])[aA][lL][sS][eE])(?![\w$.\"`\]])"
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
        self._has_bare_settings = dialect.bare_settings
        self._declares_parameters = "@" in dialect.numbered_parameters
        self._quotes = ('"', "`", "[") if brackets else ('"', "`")
        self._chunks = re.compile(rf"(?:{'|'.join(names)}|[^\s{quotes}]+|[{quotes}])+", re.DOTALL).findall
        inner = r"\([^()]*(?:\([^()]*\)[^()]*)*\)"
        row = rf"\([^(){quotes}]*(?:(?:{'|'.join(names)}|[{quotes}]|{inner})[^(){quotes}]*)*\)"
        # After a table or its columns: a VALUES list that is read like a table keeps its rows.
        self._rows = re.compile(
            r"([vV](?:(?<=[)\"`\]].)|(?<=[\w)\"`\]] .))[aA][lL][uU][eE][sS]? ?(?:[rR][oO][wW] ?)?)"
            rf"(?:(\([^(){quotes}]*\))(?: ?, ?\2)+|({row}))(?: ?, ?(?:[rR][oO][wW] ?)?{row})*"
        ).sub
        self._names_in_doubt = _NamesInDoubt(names) if dialect.double_quoted_literals is Reading.EITHER else None

    def tidy(self, template: str) -> str:
        """The template with single spaces and short lists, without values that only words give away.

        A ``"x"`` that may be a name or a literal is still in it: see ``finish``.
        """
        text = template
        if "  " in text or not text.isprintable():
            text = " ".join(self._chunks(text) if any(quote in text for quote in self._quotes) else text.split())
        text = text.strip()
        lowered = text.lower()
        if "true" in lowered or "false" in lowered:
            text = _BOOLEAN.sub("?", text)
        if "password" in lowered or "identified" in lowered:
            text = _hide_passwords(text)
        if "stdin" in lowered:
            text = _COPIED.sub(r"\1", text)
        if self._has_bare_settings and "set " in lowered:
            text = _SETTING.sub(r"\1?", text)
        if self._declares_parameters and text.startswith("("):
            text = _DECLARED_PARAMETERS.sub("", text)
        if ':"SYS_B_' in text:
            text = _SYSTEM_BIND.sub(r"\1?", text)
        return self._settle(text) if "?" in text else text

    def finish(self, tidied: str) -> str:
        """The tidied text without anything that could be a literal."""
        if self._names_in_doubt is not None and '"' in tidied:
            redacted = self._names_in_doubt.redact(tidied)
            return tidied if redacted == tidied else self._settle(redacted)
        return tidied

    def _settle(self, text: str) -> str:
        if _PREFIXED.search(text) is not None:
            text = _PREFIX.sub("", text)
        if ".?" in text:
            text = _POINT.sub("", text)
        if _SIGNED.search(text) is not None:
            text = _SIGNS.sub(_fold_sign, text)
        if "?," in text or "? ," in text or "( ?" in text or "(? " in text:
            text = _IN_LIST.sub("(?)", text)
            if "[" in text:
                text = _IN_ARRAY.sub(" [?]", text)
        if ")," in text or ") ," in text:
            text = self._rows(r"\1\2\3", text)
        return text


class _NamesInDoubt:
    """Redacts ``"x"`` where nobody knows whether it is a name, unless the statement itself proves it one."""

    def __init__(self, names: list[str]) -> None:
        double = next(name for name in names if name.startswith('"'))
        others = "|".join(name for name in names if name is not double)
        part = rf"(?:{double}|{others}|[^\W\d][\w$]*)"
        # No string has a dot beside it, and what is between a query's FROM and its WHERE is no string either.
        self._dotted = re.compile(rf'{double} ?\. ?(?:{part}|"|\*)|{part} ?\. ?{double}', re.DOTALL).search
        self._doubtful = re.compile(
            rf"({others}|(?<!distinct )(?<!delete )\bfrom {double}(?= where\b))|{double}", re.DOTALL | re.IGNORECASE
        ).sub

    def redact(self, text: str) -> str:
        if self._dotted(text) is not None:
            return text
        return self._doubtful(lambda match: match[1] or "?", text)


def _fold_sign(signs: re.Match[str]) -> str:
    start = signs.start()
    before = signs.string[max(0, start - 12) : start].rstrip()
    if not before or before[-1] in _OPERATORS or before.rpartition(" ")[2].lower() in _OPERATOR_WORDS:
        return ""
    return signs[0]


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
