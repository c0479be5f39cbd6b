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
# A placeholder that something is attached to: a prefix, a sign, a decimal point.
_ATTACHED = re.compile(r"\?(?:(?<=[\w&+.-]\?)|(?<=[+-] \?))")
_SIGNS = re.compile(r"[-+](?<![-+].)(?<![-+] .)[-+ ]*(?=\?)")
_UNSIGNED = re.compile(r"[\w?)\]\"`}$@:.] ?\Z")
_OPERATOR_WORD = re.compile(
    r"\b(?:select|and|or|not|between|then|else|when|limit|offset|in|like|by|return|values|where|having|case|distinct|all"
    r"|any|top|is|to|with|as|on|set|from|interval|returning) ?\Z",
    re.IGNORECASE,
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
        self._dialect = dialect
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
        """The template with single spaces and short lists; words in it are still as written."""
        text = template
        if "  " in text or not text.isprintable():
            text = " ".join(self._chunks(text) if any(quote in text for quote in self._quotes) else text.split())
        text = text.strip()
        if self._declares_parameters and text.startswith("("):
            text = _DECLARED_PARAMETERS.sub("", text)
        if ':"SYS_B_' in text:
            text = _SYSTEM_BIND.sub(r"\1?", text)
        return self._settle(text) if "?" in text else text

    def _settle(self, text: str) -> str:
        if _ATTACHED.search(text) is not None:
            text = _PREFIX.sub("", text)
            text = _SIGNS.sub(_fold_sign, text)
            text = _POINT.sub("", text)
        if "?," in text or "? ," in text or "( ?" in text or "(? " in text:
            text = _IN_LIST.sub("(?)", text)
            if "[" in text:
                text = _IN_ARRAY.sub(" [?]", text)
        if ")," in text or ") ," in text:
            text = self._rows(r"\1\2\3", text)
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
            text = _BOOLEAN.sub("?", text)
        if passwords:
            text = _hide_passwords(text)
        if copied:
            text = _COPIED.sub(r"\1", text)
        if self._dialect.bare_settings and text[:4].lower() == "set " or "; set " in text.lower():
            text = _SETTING.sub(r"\1?", text) if self._dialect.bare_settings else text
        if self._names_in_doubt is not None and '"' in text:
            text = self._names_in_doubt.redact(text)
        return text if text is tidied else self.tidy(text)


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
    before = signs.string[max(0, signs.start() - 12) : signs.start()]
    if _UNSIGNED.search(before) is None or _OPERATOR_WORD.search(before) is not None:
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
