"""A statement comes in, its template (comments gone, every literal a ``?``) goes out; from a template, its words.

Speed comes from letting the regular expression engine drive. A pattern ``(kept*)literal`` eats the whole text, its
``findall`` returns what stands between the literals, and joining that with ``?`` is the template: no Python runs per
token. All that follows (sanitizing, classifying, the fingerprint) sees the template only, so two statements with one
template have one analysis; that is what makes a cache of templates exact.

Linear time: every alternative is chosen by its first character, an unterminated construct eats the rest of the text at
once, and nothing that has matched is ever tried again.
"""

from __future__ import annotations

import re
from functools import lru_cache

from otel_dbmon_processors.dialects import Dialect, Reading

#: Ends every text while it is scanned; taken out of texts before.
_END = "\0"
#: Stands for a ``[`` that nothing closes while a text is scanned; taken out of texts before.
UNCLOSED = "\1"
_UNWANTED = re.compile("[\0\1\ufeff]")

# Typographic quotes are quotes in no database, only in pasted text: what they enclose is a value.
_TYPOGRAPHIC = "‘’‚‛“”„‟＇＂"
_LETTER = r"[^\W\d]"
_AT_END = rf"(?={_END})"
_REST = rf"[^{_END}]*"

# Unrolled (`[^Q]*(?:QQ[^Q]*)*`): no text can be split in two ways, so there is nothing to backtrack into.
_STRING = {
    Reading.NO: rf"Q[^Q{_END}]*(?:QQ[^Q{_END}]*)*(?:Q|{_AT_END})",
    Reading.YES: rf"Q[^Q\\{_END}]*(?:(?:QQ|\\[^{_END}])[^Q\\{_END}]*)*(?:Q|\\?{_AT_END})",
    # Both readings agree up to an escaped (or closing) quote; from there on nothing is certain.
    Reading.EITHER: rf"Q[^Q\\{_END}]*(?:(?:QQ|\\[^Q{_END}])[^Q\\{_END}]*)*(?:Q|\\?{_AT_END}|\\Q{_REST})",
}
_TYPOGRAPHIC_STRING = rf"[{_TYPOGRAPHIC}][^{_TYPOGRAPHIC}{_END}]*(?:[{_TYPOGRAPHIC}]|{_AT_END})"
# Hexadecimal, binary and suffixed numbers are a digit and more word characters; `1..2` is two numbers.
_NUMBER = r"(?:\d\w*(?:\.(?:\d\w*|[eE](?=[+-]\d))?(?!\.))?|\.\d\w*)(?:(?<=[eE])[+-]\d+)?"
_DOLLAR_QUOTED = rf"\$(?P<tag>(?:{_LETTER}\w*)?)\$.*?(?:\$(?P=tag)\$\d*|{_AT_END})"
_ALTERNATIVE_QUOTED = "[nN]?[qQ]'(?:{})".format(
    "|".join(
        [
            *(rf"{re.escape(a)}.*?(?:{re.escape(z)}'|{_AT_END})" for a, z in ("[]", "{}", "<>", "()")),
            rf"(?P<delimiter>[^\s{_END}]).*?(?:(?P=delimiter)'|{_AT_END})",
            _REST,
        ]
    )
)
_DOLLARUNCLOSEDER = re.compile(rf"\$(?:{_LETTER}\w*)?\$")
# Beginnings of strings that begin like a word, by whether there are escape strings and alternative quotes.
_WORDLIKEUNCLOSEDERS = {
    (False, False): r"\b\B",
    (True, False): "[eE]'",
    (False, True): "[nN]?[qQ]'",
    (True, True): "[eE]'|[nN]?[qQ]'",
}
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_LONE_RETURN = re.compile(r"\r(?!\n)")

# What may follow a string inside a statement. Anything else, in a text whose quotes do not pair, may be a value's rest.
_AFTER_STRING = re.compile(
    r"\s*(?:\0|[^\w\s'\"]|(?:and|or|as|from|where|then|else|end|when|order|group|limit|offset|escape|collate|union|on|is"
    r"|not|in|like|ilike|between|having|returning|values|set|into|asc|desc|separator|using|for|with|at|uescape)\b)",
    re.IGNORECASE,
)


class Lexer:
    """The scanner of one dialect; compiled once, without state, shared by all threads."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        names = quoted_names(dialect)
        kept, literals = _kept(dialect), _literals(dialect)
        self._pieces = _splitter(kept, literals).findall
        self._strange = _splitter(_kept(dialect, strange=True), [*_strange_literals(dialect), *literals])
        self._code = re.compile(
            "((?:{})*)".format("|".join([*_strange_literals(dialect), *literals[:-1], *_kept(dialect, strange=True, code=True)])),
            re.DOTALL,
        ).match
        self._string = re.compile("|".join([*_strange_literals(dialect), *literals[:2]]), re.DOTALL).match
        self._has_comments = re.compile(_comment_start(dialect)).search
        self._is_strange = re.compile(_strangeness(dialect)).search
        self._has_brackets = dialect.bracketed_names is Reading.YES
        word = "(?:{})".format("|".join([*names, ("#{0,2}" if dialect.hash_in_names else "") + _LETTER + r"[\w$#]*"]))
        others = [
            *([r"@[\w$.]+(?:/[\w$./=-]*)?"] if dialect.stages else []),
            rf"[@:$]{{1,2}}(?:[\w$]+|{'|'.join(names)})",
            r"%(?:\(\w+\))?s\b",
        ]
        dotted = rf"{word}(?:\s*\.\s*{word})*(?:@{_LETTER}[\w$.]*)?"
        skipped = r"[\s=<>+*/|&^~!.-]*"
        self.words = re.compile(rf"({dotted}|[(),;?]|{'|'.join(others)}){skipped}", re.DOTALL).findall
        #: As ``words``, for texts whose strings are still there.
        self.words_and_strings = re.compile(
            rf"({_string(chr(39), dialect.backslash_escapes)}|{dotted}|[(),;?]|{'|'.join(others)}){skipped}", re.DOTALL
        ).findall

    def without_comments(self, statement: str) -> str:
        """The statement fit for scanning: without comments, characters that no text may hold made harmless."""
        if not statement.isascii():
            # A lone surrogate has no UTF-8 form: every exporter would fail on it.
            statement = statement.encode("utf-8", "replace").decode("utf-8")
            statement = _UNWANTED.sub(" ", statement)
        elif _END in statement or UNCLOSED in statement:
            statement = _UNWANTED.sub(" ", statement)
        if self._has_comments(statement) is not None:
            statement = self._strip_comments(statement + _END)
        return statement

    def template(self, text: str) -> str:
        """What is left of a text without comments when every literal is a ``?``.

        A ``[`` that nothing closes is still ``UNCLOSED`` in it, so that no later pattern looks for its end.
        """
        scanned = text + _END
        if self._has_brackets and "[" in scanned:
            scanned = _mark_unclosed(scanned)
        if self._is_strange(scanned) is None:
            template = "?".join(self._pieces(scanned))
        else:
            template = "?".join([match.group(1) for match in self._strange.finditer(scanned)])
        if (text.count("'") - template.count("'")) & 1 or (text.count('"') - template.count('"')) & 1 or "\\" in text:
            template = self._trustworthy(scanned, template)
        return template

    def _trustworthy(self, scanned: str, template: str) -> str:
        # When the last quote has no partner, an earlier one may be the stray: `name = 'O'Brien'`.
        kept: list[str] = []
        doubtful = None
        for match in self._strange.finditer(scanned):
            kept.append(match.group(1))
            start, end = match.end(1), match.end()
            string = self._string(scanned, start)
            if string is None:
                continue
            if doubtful is None and _AFTER_STRING.match(scanned, end) is None:
                doubtful = len(kept)
            if end == len(scanned) - 1 and not self._is_closed(scanned[start:end]):
                return template if doubtful is None else "?".join([*kept[:doubtful], ""])
        return template

    def _is_closed(self, string: str) -> bool:
        again = self._string(f"{string} {_END}")
        return again is not None and again.end() == len(string)

    def _strip_comments(self, scanned: str) -> str:
        pieces: list[str] = []
        position, last = 0, len(scanned) - 1
        while True:
            code = self._code(scanned, position)
            end = code.end() if code is not None else last
            pieces.append(scanned[position:end])
            if end >= last:
                return " ".join(pieces)
            position = self._comment_end(scanned, end, last)

    def _comment_end(self, scanned: str, start: int, last: int) -> int:
        if scanned.startswith("/*", start):
            return self._block_end(scanned, start, last)
        line_end = scanned.find("\n", start)
        line_end = last if line_end < 0 else line_end
        lone = _LONE_RETURN.search(scanned, start, line_end)
        doubtful = scanned[start] == "#" and self.dialect.hash_comments is Reading.EITHER
        if doubtful and any(mark in scanned[start:line_end] for mark in ("'", '"', "`", "/*", "$")):
            return last
        if lone is None or self.dialect.return_ends_comments is Reading.NO:
            return line_end
        return lone.start() if self.dialect.return_ends_comments is Reading.YES else last

    def _block_end(self, scanned: str, start: int, last: int) -> int:
        nested = self.dialect.nested_comments
        depth = 0
        for edge in _COMMENT_EDGE.finditer(scanned, start):
            if edge.group() == "*/":
                depth -= 1
            elif nested is Reading.YES or depth == 0:
                depth += 1
            elif nested is Reading.EITHER:
                return last
            if depth == 0:
                return edge.end()
        return last


@lru_cache(maxsize=None)
def lexer_for(dialect: Dialect) -> Lexer:
    """The lexer of a dialect, compiled at its first use."""
    return Lexer(dialect)


def _splitter(kept: list[str], literals: list[str]) -> re.Pattern[str]:
    return re.compile("((?:{})*)(?:{})".format("|".join(kept), "|".join(literals)), re.DOTALL)


def _mark_unclosed(scanned: str) -> str:
    closed = scanned.rfind("]") + 1
    return scanned[:closed] + scanned[closed:].replace("[", UNCLOSED) if "[" in scanned[closed:] else scanned


def _string(quote: str, reading: Reading) -> str:
    return _STRING[reading].replace("Q", quote)


def quoted_names(dialect: Dialect) -> list[str]:
    """Patterns of quoted names."""
    names = [rf"`[^`{_END}]*(?:``[^`{_END}]*)*`(?!`)"]
    if dialect.double_quoted_literals is Reading.NO:
        names.append(rf'"[^"{_END}]*(?:""[^"{_END}]*)*"(?!")')
    elif dialect.double_quoted_literals is Reading.EITHER:
        names.append(rf'"[^"\\{_END}]*(?:(?:""|\\[^"{_END}])[^"\\{_END}]*)*"(?!")')
    if dialect.bracketed_names is Reading.YES:
        names.append(r"\[[^\]]*(?:\]\][^\]]*)*\]")
    elif dialect.bracketed_names is Reading.EITHER:
        # Not after anything that has subscripts, and with a name inside.
        names.append(r"(?<![\w\])\"'`])\[[^\W\d][\w .$#@-]*\]")
    return names


def _literals(dialect: Dialect) -> list[str]:
    """Patterns of what becomes a ``?``; strings first, the end of the text last."""
    double = dialect.double_quoted_literals is Reading.YES
    money = "" if "$" in dialect.numbered_parameters else r"\$?"
    return [
        _string("'", dialect.backslash_escapes),
        _string('"', dialect.backslash_escapes) if double else rf'"{_REST}',
        rf"`{_REST}",
        _TYPOGRAPHIC_STRING,
        rf"{money}{_NUMBER}",
        _END,
    ]


def _strange_literals(dialect: Dialect) -> list[str]:
    """Patterns of literals that need more than their first character to be known."""
    literals = [_DOLLAR_QUOTED]
    if dialect.escape_strings:
        literals.append("[eE]" + _string("'", Reading.YES))
    if dialect.alternative_quotes is Reading.YES:
        literals.append(_ALTERNATIVE_QUOTED)
    elif dialect.alternative_quotes is Reading.EITHER:
        literals.append(rf"[nN]?[qQ]'{_REST}")
    return literals


def _strangeness(dialect: Dialect) -> str:
    """A pattern that occurs wherever a strange literal may."""
    signs = [_DOLLARUNCLOSEDER.pattern]
    if dialect.escape_strings:
        signs.append(r"\\")
    if dialect.alternative_quotes is not Reading.NO:
        signs.append("[qQ]'")
    return "|".join(signs)


def _comment_start(dialect: Dialect) -> str:
    starts = [r"/\*", r"--(?=[\s\0]|$)" if dialect.dashes_need_space else "--"]
    if dialect.hash_comments is Reading.YES:
        starts.append("#")
    elif dialect.hash_comments is Reading.EITHER:
        starts.append(r"#(?=[\s\0]|$)")
    if dialect.slash_comments:
        starts.append("//")
    return "|".join(starts)


def _kept(dialect: Dialect, strange: bool = False, code: bool = False) -> list[str]:
    """Patterns of what stays.

    Args:
        dialect: Whose.
        strange: Whether the text may hold strange literals, which begin like words.
        code: Whether the text may hold comments.
    """
    bracket = r"\[" if dialect.bracketed_names is not Reading.NO else ""
    safe = rf"[^\w'\"`{bracket}$@:.?{_TYPOGRAPHIC}{_END}{'/#-' if code else ''}]"
    guard = f"(?!{_WORDLIKEUNCLOSEDERS[dialect.escape_strings, dialect.alternative_quotes is not Reading.NO]})" if strange else ""
    dollar = r"\$" if "$" in dialect.numbered_parameters else r"\$(?!\d)"
    kept = [rf"{guard}{_LETTER}[\w$]*{safe}*", rf"{safe}+", r"\.(?!\d)", *quoted_names(dialect)]
    for sign in dialect.numbered_parameters:
        before = r"(?<=[\s(,=<>+*/|-]:)" if sign == ":" else ""
        kept.append(rf"[{sign}]{before}\d{{1,5}}(?!\d|\.\d)")
    kept.append(rf"{'(?!' + _DOLLARUNCLOSEDER.pattern + ')' if strange else ''}{dollar}")
    kept.append(r"[@:?\[]")
    if code:
        kept.append(rf"(?!{_comment_start(dialect)})[/#-]")
    return kept
