"""A template comes in, the text that may leave the process goes out.

What a template still shows after the lexer (white space, prefixes of strings, signs, long lists, Booleans, bare
passwords) is settled here by substitutions that only shorten: sanitizing a sanitized text changes nothing.
"""

from __future__ import annotations

import re
from functools import cache

from otel_dbmon_processors.dialects import Dialect, Reading
from otel_dbmon_processors.lexer import lexer_for, quoted_names


def _insensitive(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


# White space besides the space, as split() knows it.
_ASCII_SPACE = tuple("\n\t\r\v\f\x1c\x1d\x1e\x1f")
# The patterns begin with the character that decides: the engine skips to it, and most texts hold none.
_PREFIXED = re.compile(r"\?(?<=[\w&]\?)")
# N'..', E'..', B'..', X'..', U&'..', Q'..' and MySQL's _charset'..': what the lexer left of them stands before a `?`.
_PREFIX = re.compile(r"(?<![\w$@:.?&])(?:(?:[uU]&)*(?:[nN]?[qQ]|[nNeEbBxX]|_\w+)|(?:[uU]&)+)\Z")
_LONGEST_PREFIX = 40
_ONE_LETTER_PREFIXES = frozenset("nNeEbBxX")
_POINT = re.compile(r"\.(?<![\w\"`\])?.]\.)(?=\?)")
_SIGNED = re.compile(r"\?(?:(?<=[-+]\?)|(?<=[-+] \?))")
_ATTACHED = re.compile(r"\?(?:(?<=[\w&+.-]\?)|(?<=[-+] \?))")
_SIGNS = re.compile(r"[-+](?<![-+].)(?<![-+] .)[-+ ]*(?=\?)")
# Before the sign of a number stands an operator or one of these words; after anything else it is an operator itself.
_OPERATORS = frozenset("=<>(,[*/%|&^~!{;")
_OPERATOR_WORDS = frozenset(
    {
        *(
            "select",
            "and",
            "or",
            "not",
            "between",
            "then",
            "else",
            "when",
            "limit",
            "offset",
            "in",
            "like",
            "by",
            "return",
        ),
        *("values", "where", "having", "case", "distinct", "all", "any", "top", "is", "to", "with", "as", "on", "set"),
        *("from", "interval", "returning"),
    }
)
_LONGEST_OPERATOR_WORD = 12
_BOOLEAN = re.compile(r"[tTfF](?<![\w$@:.\"`\[].)(?:(?<=[tT])[rR][uU][eE]|(?<=[fF])[aA][lL][sS][eE])(?![\w$.\"`\]])")
_IN_LIST = re.compile(r"\((?:(?<=\W[iI][nN]\()|(?<=\W[iI][nN] \()) ?\?(?: ?, ?\?)* ?\)")
_IN_ARRAY = re.compile(r"(?<=\bin array) ?\[ ?\?(?: ?, ?\?)* ?\]", re.IGNORECASE)
# SQL Server shows the parameters of a prepared statement before it.
_DECLARED_PARAMETERS = re.compile(r"\( ?@\w+ [^()]*(?:\([^()]*\)[^()]*)*\) ?(?=\w)")
# Oracle's own names for literals that it took out (CURSOR_SHARING); their numbers depend on the length of lists.
_SYSTEM_BIND = re.compile(r'(:"SYS_B_)\d+(?=")')


class Sanitizer:
    """Makes templates of one dialect presentable and safe; without state, shared by all threads."""

    def __init__(self, dialect: Dialect) -> None:
        names = quoted_names(dialect)
        self._lexer = lexer_for(dialect)
        self._quotes = ('"', "`", "[") if dialect.bracketed_names is not Reading.NO else ('"', "`")
        self._declares_parameters = "@" in dialect.numbered_parameters
        self._has_bare_settings = dialect.bare_settings
        quotes = re.escape("".join(self._quotes))
        self._chunks = re.compile(rf"(?:{'|'.join(names)}|[^\s{quotes}]+|[{quotes}])+", re.DOTALL).findall
        self._drop_rows = _rows(names, quotes).sub
        self._secrets = _Secrets(names, quotes, dialect.bare_settings)
        in_doubt = dialect.double_quoted_literals is Reading.EITHER
        self._names_in_doubt = _NamesInDoubt(names) if in_doubt else None

    def tidy(self, template: str, rounds: int = 4) -> str:
        """The template with single spaces and short lists, without values that only words give away.

        A ``"x"`` that may be a name or a literal is still in it: see ``finish``.

        Args:
            template: What the lexer left.
            rounds: How often hidden values may uncover others before the whole text is given up.
        """
        text = template
        if "  " in text or _has_other_space(text):
            text = " ".join(self._chunks(text) if any(quote in text for quote in self._quotes) else text.split())
        text = text.strip()
        lowered = text.lower()
        if "true" in lowered or "false" in lowered:
            text = _BOOLEAN.sub("?", text)
        if (
            "password" in lowered
            or "identified" in lowered
            or "stdin" in lowered
            or (self._has_bare_settings and (lowered.startswith("set ") or "; set " in lowered or ";set " in lowered))
        ):
            hidden = self._secrets.hide(text)
            if hidden != text:
                # What is hidden may have held quotes: read again what is left.
                again = self._lexer.template(self._lexer.without_comments(hidden))
                return self.tidy(again, rounds - 1) if rounds else "?"
        if self._declares_parameters and text.startswith("("):
            declared = _DECLARED_PARAMETERS.match(text)
            text = text if declared is None else text[declared.end() :]
        if ':"SYS_B_' in text:
            text = _SYSTEM_BIND.sub(r"\1?", text)
        if "?" in text:
            text = _settle(text)
        if (")," in text or ") ," in text) and "value" in lowered:
            text = self._drop_rows(r"\1\2\3", text)
        return text

    def finish(self, tidied: str) -> str:
        """The tidied text without anything that could be a literal."""
        if self._names_in_doubt is None or '"' not in tidied:
            return tidied
        redacted = self._names_in_doubt.redact(tidied)
        return tidied if redacted == tidied else self.tidy(redacted)


def _has_other_space(text: str) -> bool:
    # For ASCII texts, looking for each character takes a quarter of what isprintable() does.
    return any(map(text.__contains__, _ASCII_SPACE)) if text.isascii() else not text.isprintable()


def _settle(text: str) -> str:
    """The text without what stands around a placeholder: prefixes, points, signs, other placeholders."""
    if _ATTACHED.search(text) is not None:
        text = _without_prefixes(text)
        if ".?" in text:
            text = _POINT.sub("", text)
        if _SIGNED.search(text) is not None:
            text = _SIGNS.sub(_fold, text)
    if "?," in text or "? ," in text or "( ?" in text or "(? " in text:
        text = _IN_LIST.sub("(?)", text)
        if "[" in text:
            text = _IN_ARRAY.sub(" [?]", text)
    return text


def _without_prefixes(text: str) -> str:
    pieces: list[str] = []
    position = 0
    for placeholder in _PREFIXED.finditer(text):
        end = placeholder.start()
        if text[end - 1] in _ONE_LETTER_PREFIXES and text[max(position, end - 2)] in " (,=":
            # By far the most of them.
            pieces.append(text[position : end - 1])
            position = end
            continue
        start = max(position, end - _LONGEST_PREFIX)
        prefix = _PREFIX.search(text[start:end])
        # At the very start of what is looked at it may be the end of something longer.
        if prefix is not None and (prefix.start() > 0 or start == 0):
            pieces.append(text[position : start + prefix.start()])
            position = end
    return "".join([*pieces, text[position:]])


def _fold(signs: re.Match[str]) -> str:
    start = signs.start()
    before = signs.string[max(0, start - _LONGEST_OPERATOR_WORD) : start].rstrip()
    if not before or before[-1] in _OPERATORS or before.rpartition(" ")[2].lower() in _OPERATOR_WORDS:
        return ""
    return signs[0]


def _rows(names: list[str], quotes: str) -> re.Pattern[str]:
    """Matches VALUES with more than one row; the first one is the second or the third group.

    Only after a table or its columns: a VALUES list that is read like a table keeps its rows.
    """
    nested = r"\([^()]*(?:\([^()]*\)[^()]*)*\)"
    quoted = "|".join(names)
    # A quote stands alone only where no name begins: the bracket in an unfinished row's ")x" ends no row.
    row = rf"\([^(){quotes}]*(?:(?:{quoted}|(?!{quoted})[{quotes}]|{nested})[^(){quotes}]*)*\)"
    values = r"[vV](?:(?<=[)\"`\]].)|(?<=[\w)\"`\]] .))[aA][lL][uU][eE][sS]? ?(?:[rR][oO][wW] ?)?"
    # Rows of placeholders are all alike: comparing with the first is faster than reading each.
    return re.compile(
        rf"({values})(?:(\([^(){quotes}]*\))(?: ?, ?\2)+|({row}))(?: ?, ?(?:[rR][oO][wW] ?)?{row})*", re.DOTALL
    )


class _Secrets:
    """Hides values that stand in a statement without quotes."""

    def __init__(self, names: list[str], quotes: str, bare_settings: bool) -> None:
        name = "|".join(names)
        bare = rf"(?!(?:null|is|by|for|to)\b|password\b ?=? ?\?|\?)(?:{name}|[^\s;,()={quotes}]|[{quotes}])+"
        self._statements = re.compile(rf"(?:[^;{quotes}]+|{name}|[{quotes}])*;?", re.DOTALL).findall
        # A user may be called "password": the last of several is the keyword.
        self._password = _insensitive(
            rf"\b(password\b(?: password\b)*(?: ?=| is\b| by\b| for \S{{1,99}} ?(?:=|to\b))?) ?{bare}"
        )
        setting = r"^ ?set (?:session |local )?[\w.]+ ?(?:=|to\b) ?"
        self._setting = _insensitive(rf"({setting})(?!on\b|off\b|default\b|@){bare}(?: ?, ?{bare})*")
        self._has_bare_settings = bare_settings

    def hide(self, text: str) -> str:
        """The text with a ``?`` for each such value."""
        pieces: list[str] = []
        for statement in self._statements(text):
            pieces.append(self._hide(statement))
            if statement.endswith(";") and _COPIES.match(statement) is not None:
                # What follows are rows.
                break
        return "".join(pieces)

    def _hide(self, statement: str) -> str:
        if _USES_DATA.match(statement) is None:
            statement = self._password.sub(r"\1 ?", statement)
        if self._has_bare_settings:
            statement = self._setting.sub(r"\1?", statement)
        identified = _IDENTIFIED.search(statement)
        value = None if identified is None else _BY_VALUE.search(statement, identified.end())
        if value is None:
            return statement
        return statement[: value.end()] + ("?;" if statement.endswith(";") else "?")


# Statements in which PASSWORD is a column or a table.
_USES_DATA = _insensitive(
    r" ?(?:select|insert|update|delete|merge|with|replace|values|truncate|call|exec(?:ute)?|grant|revoke"
    r"|(?:create|alter|drop)(?: \w+){0,3} (?:table|view|index))\b"
)
_IDENTIFIED = _insensitive(r"\bidentified\b")
_BY_VALUE = _insensitive(r"\bby (?:password )?(?!\?|null\b|password \?)(?=\S)")
_COPIES = _insensitive(r" ?copy\b.*\bfrom stdin\b")


class _NamesInDoubt:
    """Redacts ``"x"`` where nobody knows whether it is a name, unless the statement itself proves it one."""

    def __init__(self, names: list[str]) -> None:
        self._names = re.compile("|".join(names), re.DOTALL)

    def redact(self, text: str) -> str:
        """The text with a ``?`` for each name in doubt."""
        doubtful = [match.span() for match in self._names.finditer(text) if match[0][0] == '"']
        if any(_has_dot(text, start, end) for start, end in doubtful):
            # No string has a dot beside it: this statement puts its names into double quotes.
            return text
        pieces: list[str] = []
        position = 0
        for start, end in doubtful:
            pieces += text[position:start], text[start:end] if _is_queried(text, start, end) else "?"
            position = end
        return "".join([*pieces, text[position:]])


def _has_dot(text: str, start: int, end: int) -> bool:
    return text[end : end + 2].lstrip()[:1] == "." or text[max(0, start - 2) : start].rstrip()[-1:] == "."


def _is_queried(text: str, start: int, end: int) -> bool:
    # What is between a query's FROM and its WHERE is no string in any dialect.
    before = text[max(0, start - 16) : start].lower()
    return (
        before.endswith(" from ")
        and not before.endswith(("distinct from ", "delete from "))
        and text[end : end + 7].lower().rstrip() == " where"
    )


@cache
def sanitizer_for(dialect: Dialect) -> Sanitizer:
    """The sanitizer of a dialect, the same one every time."""
    return Sanitizer(dialect)
