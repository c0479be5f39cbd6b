"""A statement comes in, its template (comments gone, every literal a ``?``) goes out; from a template, its words.

Speed comes from letting the regular expression engine drive. A pattern ``(kept*)literal`` eats the whole text, its
``findall`` returns what stands between the literals, and joining that with ``?`` is the template: no Python runs per
token. All that follows (sanitizing, classifying, the fingerprint) sees the template only, so two statements with one
template have one analysis; that is what makes a cache of templates exact.

Linear time: every alternative is chosen by its first character, repetitions are unrolled so that no text can be split
in two ways, an unterminated construct eats the rest of the text at once, and nothing that matched is tried again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, cached_property

from otel_dbmon_processors.dialects import Dialect, Reading

_FindAll = Callable[[str], list[str]]
_Match = Callable[..., re.Match[str] | None]

#: Stands for a ``[`` that nothing closes, so that no pattern looks for its end; taken out of texts before.
UNCLOSED = "\1"
#: Ends every text while it is scanned; taken out of texts before.
_END = "\0"
_BYTE_ORDER_MARK = "\ufeff"
_UNWANTED = re.compile(f"[\0\1{_BYTE_ORDER_MARK}]")

# Typographic quotes are quotes in no database, only in pasted text: what they enclose is a value.
_TYPOGRAPHIC = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\uff07\uff02"
_LETTER = r"[^\W\d]"
_AT_END = rf"(?={_END})"
_REST = rf"[^{_END}]*"

_STRING = {
    Reading.NO: rf"Q[^Q{_END}]*(?:QQ[^Q{_END}]*)*(?:Q|{_AT_END})",
    Reading.YES: rf"Q[^Q\\{_END}]*(?:(?:QQ|\\[^{_END}])[^Q\\{_END}]*)*(?:Q|\\?{_AT_END})",
    # Both readings agree up to an escaped (or closing) quote; from there on nothing is certain.
    Reading.EITHER: rf"Q[^Q\\{_END}]*(?:(?:QQ|\\[^Q{_END}])[^Q\\{_END}]*)*(?:Q|\\?{_AT_END}|\\Q{_REST})",
}
_TYPOGRAPHIC_STRING = rf"[{_TYPOGRAPHIC}][^{_TYPOGRAPHIC}{_END}]*(?:[{_TYPOGRAPHIC}]|{_AT_END})"
_DOLLAR_OPENER = rf"\$(?:{_LETTER}\w*)?\$"
# Hexadecimal, binary and suffixed numbers are a digit and more word characters; `1..2` is two numbers.
_NUMBER = (
    r"\d\w*(?:\.(?:[eE]?\d\w*|[eE](?=[+-]\d)|(?!\.)))?(?:(?<=[eE])[+-]\d+)?" + rf"(?:(?!{_DOLLAR_OPENER})[$JOINTS]\w*)*"
)
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
# Either a name with a quote or a comment's beginning in it, or a bracket before a string or a comment.
_DOUBTFUL_BRACKET = rf"(?<![\w\])\"'`])\[[^\W\d](?:[^\]\['\"`/{_END}]|/(?!\*))*(?:['\"`]|/\*)"
_NAME_IN_STRING = re.compile(r"'\w[\w .$-]*'")
# An unquoted name starts with no digit, and with no dollar of a string.
_STAGE = r"@(?!\.?[\d$])[\w$.]+(?:/(?![*/])[\w$.=-]*)*"
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_SPACED_DOT = re.compile(r"\.(?: |(?<= \.))")
_LONE_RETURN = re.compile(r"\r(?!\n)")
# What decides where a string or a comment ends, inside what may be a comment or not.
_QUOTING = ("'", '"', "`", "/*", "$", "[")

# What may follow a string inside a statement. Anything else, in a text whose quotes do not pair, may be a value's rest.
_AFTER_STRING = re.compile(
    r"\s*(?:\0|[^\w\s'\"]|(?:and|or|as|from|where|then|else|end|when|order|group|limit|offset|escape|collate|union|on|is"
    r"|not|in|like|ilike|between|having|returning|values|set|into|asc|desc|separator|using|for|with|at|uescape)\b)",
    re.IGNORECASE,
)
# What `'O'Brien', 'D'Arcy'` leaves, in which quotes do pair.
_GLUED = re.compile(r"\?[^\W\d]")


class Lexer:
    """The scanner of one dialect; without state, shared by all threads. Patterns are compiled at their first use."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._comment_starts = tuple(sign for sign, _ in _comment_signs(dialect))
        self._has_brackets = dialect.bracketed_names is Reading.YES
        self._has_double = dialect.double_quoted_literals is Reading.YES
        self._has_backslashes = dialect.backslash_escapes is not Reading.NO
        self._has_escape_strings = dialect.escape_strings
        self._has_tripled_quotes = dialect.tripled_quotes
        self._has_alternative_quotes = dialect.alternative_quotes is not Reading.NO
        tripled = ("'''",) if dialect.tripled_quotes else ()
        alternative = ("q'", "Q'") if self._has_alternative_quotes else ()
        self._obscuring = ('"', "`", "$", "[", "\\", *tripled, *alternative)
        self._ascii = _Patterns(dialect, re.ASCII)
        self._unicode = _Patterns(dialect, re.UNICODE)

    def without_comments(self, statement: str) -> str:
        """The statement fit for scanning: comments gone, characters that no text may hold made harmless."""
        if not statement.isascii():
            try:
                statement.encode()
            except UnicodeEncodeError:
                # A lone surrogate has no UTF-8 form: every exporter would fail on it.
                statement = statement.encode("utf-8", "replace").decode("utf-8")
        if _END in statement or UNCLOSED in statement or _BYTE_ORDER_MARK in statement:
            statement = _UNWANTED.sub(" ", statement)
        for start in self._comment_starts:
            if start in statement:
                cut = self._cut_comment(statement)
                return self._strip_comments(statement + _END) if cut is None else cut
        return statement

    def template(self, text: str) -> str:
        """What is left of a text without comments when every literal is a ``?``.

        A ``[`` that nothing closes is still ``UNCLOSED`` in it.
        """
        patterns = self._ascii if text.isascii() else self._unicode
        scanned = self._scanned(text) if self._has_brackets else text + _END
        if self._is_strange(scanned):
            template = "?".join([match[1] for match in patterns.strange.finditer(scanned)])
        else:
            template = "?".join(patterns.plain(scanned))
        # A string without an end takes the whole rest; a stray quote and its like leave a word right after a literal.
        if (template[-1:] == "?" and self._has_stray_quote(text, template)) or (
            ("'" in text or self._has_double) and _GLUED.search(template) is not None
        ):
            template = _trustworthy(patterns, scanned, template)
        return template

    def template_with_strings(self, text: str) -> str:
        """The template, with those strings still in it that a table may be called by.

        It ends where the template ends: what is in doubt there is in doubt here.
        """
        patterns = self._ascii if text.isascii() else self._unicode
        missing = len(self.template(text))
        scanned = self._scanned(text)
        pieces: list[str] = []
        for match in patterns.strange.finditer(scanned):
            literal = scanned[match.end(1) : match.end()]
            pieces += match[1], literal if _NAME_IN_STRING.fullmatch(literal) else "" if literal == _END else "?"
            missing -= len(match[1]) + 1
            if missing <= 0:
                break
        return "".join(pieces)

    def words(self, template: str) -> list[str]:
        """The words of a template: names (dotted ones whole), parameters, brackets, commas, operators."""
        if not template.isascii():
            words = self._unicode.any_words(template)
        elif _has_odd_names(template) or (self._dialect.stages and "@" in template):
            words = self._ascii.any_words(template)
        else:
            words = _split(template)
        return [word.replace(UNCLOSED, "[") for word in words] if UNCLOSED in template else words

    def words_and_strings(self, text: str) -> list[str]:
        """The words of a template with strings, each of them whole."""
        patterns = self._ascii if text.isascii() else self._unicode
        return patterns.words_and_strings(text + _END)

    def _scanned(self, text: str) -> str:
        scanned = text + _END
        return _mark_unclosed(scanned) if self._has_brackets and "[" in scanned else scanned

    def _is_strange(self, scanned: str) -> bool:
        return (
            ("$" in scanned and self._unicode.dollar_opener(scanned) is not None)
            or (self._has_escape_strings and "\\" in scanned)
            or (self._has_tripled_quotes and ("'''" in scanned or '"""' in scanned))
            or (self._has_alternative_quotes and ("q'" in scanned or "Q'" in scanned))
        )

    def _has_stray_quote(self, text: str, template: str) -> bool:
        # Inside literals quotes come in pairs, unless the last one has no partner or a backslash hides one.
        return (
            bool((text.count("'") - template.count("'")) & 1)
            or (self._has_double and bool(text.count('"') & 1))
            or (self._has_backslashes and "\\" in text)
        )

    def _cut_comment(self, statement: str) -> str | None:
        """The statement without its one block comment, as tracing tools add it; None if there may be more to it."""
        before, _, rest = statement.partition("/*")
        _, end, after = rest.partition("*/")
        if not end or "/*" in rest or before[-1:] == "/" or before.count("'") & 1 or not before.isascii():
            return None
        # Where nothing but pairs of quotes stands before it, the comment is in no literal and no name.
        if any(mark in before for mark in self._obscuring):
            return None
        if any(start in before or start in after for start in self._comment_starts[1:]):
            return None
        return f"{before} {after}" if after else before

    def _strip_comments(self, scanned: str) -> str:
        code = (self._ascii if scanned.isascii() else self._unicode).code
        if self._has_brackets:
            scanned = _mark_unclosed(scanned)
        pieces: list[str] = []
        position, last = 0, len(scanned) - 1
        while position < last:
            match = code(scanned, position)
            end = match.end() if match is not None else last
            pieces.append(scanned[position:end])
            position = self._comment_end(scanned, end, last) if end < last else last
        return " ".join(pieces).replace(UNCLOSED, "[")

    def _may_be_code(self, scanned: str, start: int) -> bool:
        dialect = self._dialect
        if scanned[start] == "-":
            return dialect.dashes_need_space is Reading.EITHER and not scanned[start + 2].isspace()
        return (dialect.hash_comments if scanned[start] == "#" else dialect.slash_comments) is Reading.EITHER

    def _comment_end(self, scanned: str, start: int, last: int) -> int:
        if scanned.startswith("/*", start):
            return self._block_end(scanned, start, last)
        line_end = scanned.find("\n", start)
        line_end = last if line_end < 0 else line_end
        if self._may_be_code(scanned, start):
            comment = scanned[start:line_end]
            if any(mark in comment for mark in _QUOTING):
                return last
        lone = _LONE_RETURN.search(scanned, start, line_end)
        if lone is None or self._dialect.return_ends_comments is Reading.NO:
            return line_end
        return lone.start() if self._dialect.return_ends_comments is Reading.YES else last

    def _block_end(self, scanned: str, start: int, last: int) -> int:
        nested = self._dialect.nested_comments
        depth = 0
        for edge in _COMMENT_EDGE.finditer(scanned, start):
            if edge[0] == "*/":
                depth -= 1
            elif depth == 0 or nested is Reading.YES:
                depth += 1
            elif nested is Reading.EITHER:
                return last
            if depth == 0:
                return edge.end()
        return last


class _Patterns:
    """The patterns of one dialect, for ASCII texts (three times as fast) or for any."""

    def __init__(self, dialect: Dialect, flag: re.RegexFlag) -> None:
        self._dialect = dialect
        self._flags = flag | re.DOTALL
        self._extra = "" if flag is re.ASCII else _TYPOGRAPHIC
        self._letter = "[A-Za-z_]" if flag is re.ASCII else _LETTER

    def _compile(self, pattern: str) -> re.Pattern[str]:
        return re.compile(pattern, self._flags)

    @cached_property
    def plain(self) -> _FindAll:
        """For texts in which a literal is known by its first character."""
        dialect = self._dialect
        bracket = r"\[" if dialect.bracketed_names is not Reading.NO else ""
        stage = "@" if dialect.stages else ""
        digit = r"\d" if self._extra else "0-9"
        digit_class = f"[{digit}]"
        joints = "$#" if dialect.hash_in_names else "$"
        kept = [
            rf"[^'\"`{bracket}{stage}{digit}{self._extra}{_END}]+",
            *quoted_names(dialect),
            *(rf"{digit_class}(?<={before}{digit_class})\w*" for before in (r"\w", rf"\w[{joints}]")),
            *(rf"{digit_class}(?<={before}{digit_class})\d{{0,4}}(?!\w|\.\d)" for before in _parameter_signs(dialect)),
            *_cut_off(dialect),
            *([_STAGE, "@"] if stage else []),
            *([rf"{_certain(dialect)}\["] if bracket else []),
        ]
        return self._compile(_splitter(kept, self._literals())).findall

    @cached_property
    def strange(self) -> re.Pattern[str]:
        """For texts with literals that begin like a word or a parameter."""
        literals = self._literals(r"\.?")
        return self._compile(_splitter(self._whole_words(), [*_strange_literals(self._dialect), *literals]))

    @cached_property
    def code(self) -> _Match:
        """Everything up to the next comment."""
        comment = "|".join(re.escape(sign) + after for sign, after in _comment_signs(self._dialect))
        kept = [*self._whole_words("/#-"), rf"(?!{comment})[/#-]"]
        literals = self._literals(r"\.?")[:-1]
        return self._compile("(?:{})*".format("|".join([*_strange_literals(self._dialect), *kept, *literals]))).match

    @cached_property
    def string(self) -> _Match:
        """Any literal with quotes."""
        return self._compile("|".join([*_strange_literals(self._dialect), *self._literals()[:2]])).match

    @cached_property
    def dollar_opener(self) -> _Match:
        """A ``$tag$``."""
        return self._compile(_DOLLAR_OPENER).search

    @cached_property
    def any_words(self) -> _FindAll:
        """The words of any template."""
        return self._compile(self._word_pattern(self._dotted)).findall

    @cached_property
    def words_and_strings(self) -> _FindAll:
        """The words of a text."""
        string = _string("'", self._dialect.backslash_escapes)
        return self._compile(f"{string}|{self._word_pattern(self._dotted)}").findall

    @property
    def _dotted(self) -> str:
        names = "|".join(quoted_names(self._dialect))
        word = rf"(?:{self._letter}[\w$#]*|{names})"
        # A name whose last part was redacted or cut off is one word too: nobody shall take its first part for it.
        return rf"{word}(?:\s*\.\s*(?:{word}|\?|\"\w*))*(?:@{_LETTER}[\w$.]*)?"

    def _word_pattern(self, name: str) -> str:
        dialect = self._dialect
        stage = f"{_STAGE}|" if dialect.stages else ""
        hashed = rf"#{{1,2}}{name}|" if dialect.hash_in_names else ""
        names = "|".join(quoted_names(dialect))
        parameters = rf"[@:$]{{1,2}}(?:[\w$]+|{names})|%(?:\(\w+\))?s\b"
        return rf"{name}|{hashed}{stage}{parameters}|[(),;?=<>+*/|&^~!%@:$\[\]{{}}{UNCLOSED}-]"

    def _literals(self, before_number: str = "") -> list[str]:
        """What becomes a ``?``; strings first, the end of the text last."""
        dialect = self._dialect
        return [
            _string("'", dialect.backslash_escapes),
            _string('"', dialect.backslash_escapes) if dialect.double_quoted_literals is Reading.YES else rf'"{_REST}',
            rf"`{_REST}",
            *([_DOUBTFUL_BRACKET + _REST] if dialect.bracketed_names is Reading.EITHER else []),
            *([_TYPOGRAPHIC_STRING] if self._extra else []),
            before_number + _NUMBER.replace("JOINTS", "#" if dialect.hash_in_names else ""),
            _END,
        ]

    def _whole_words(self, unsafe: str = "") -> list[str]:
        """What stays, word by word; ``unsafe`` characters are left to the caller."""
        dialect = self._dialect
        bracket = r"\[" if dialect.bracketed_names is not Reading.NO else ""
        safe = rf"[^\w'\"`{bracket}$@:.?{self._extra}{_END}{unsafe}]"
        openers = [
            *(["[eE]'"] if dialect.escape_strings else []),
            *(["[nN]?[qQ]'"] if dialect.alternative_quotes is not Reading.NO else []),
        ]
        guard = rf"(?!{'|'.join(openers)})" if openers else ""
        return [
            rf"{guard}{_LETTER}[\w$]*{safe}*",
            rf"{safe}+",
            r"\.(?!\d)",
            *quoted_names(dialect),
            *_cut_off(dialect),
            *(rf"[$@:?](?<={before})\d{{1,5}}(?!\w|\.\d)" for before in _parameter_signs(dialect)),
            *([_STAGE] if dialect.stages else []),
            rf"(?!{_DOLLAR_OPENER})\$",
            r"[@:?]",
            rf"{_certain(dialect)}\[",
        ]


@cache
def lexer_for(dialect: Dialect) -> Lexer:
    """The lexer of a dialect, the same one every time."""
    return Lexer(dialect)


def quoted_names(dialect: Dialect) -> list[str]:
    """Patterns of quoted names."""
    names = [rf"`[^`{_END}]*(?:``[^`{_END}]*)*`(?!`)"]
    if dialect.double_quoted_literals is Reading.NO:
        names.append(rf'"[^"{_END}]*(?:""[^"{_END}]*)*"(?!")')
    elif dialect.double_quoted_literals is Reading.EITHER:
        names.append(rf'"[^"\\{_END}]*(?:(?:""|\\[^"{_END}])[^"\\{_END}]*)*"(?!")')
    if dialect.bracketed_names is Reading.YES:
        # Right after what can be subscripted only with a plain name inside: `a['x']` is no name anywhere.
        names.append(r"\[(?<![\w\])]\[)[^\]]*(?:\]\][^\]]*)*\]|\[[^\W\d][^\]'\"]*\]")
    elif dialect.bracketed_names is Reading.EITHER:
        # Not after anything that has subscripts, and with a name inside.
        names.append(r"(?<![\w\])\"'`])\[[^\W\d][\w .$#@-]*\]")
    return names


def _certain(dialect: Dialect) -> str:
    return rf"(?!{_DOUBTFUL_BRACKET})" if dialect.bracketed_names is Reading.EITHER else ""


def _splitter(kept: list[str], literals: list[str]) -> str:
    return "((?:{})*)(?:{})".format("|".join(kept), "|".join(literals))


def _string(quote: str, reading: Reading) -> str:
    return _STRING[reading].replace("Q", quote)


def _strange_literals(dialect: Dialect) -> list[str]:
    """Literals that need more than their first character to be known."""
    literals = [_DOLLAR_QUOTED]
    if dialect.tripled_quotes:
        # A doubled quote at a string's beginning looks the same: no reading of the rest is certain.
        literals += [f"{quote * 3}{_REST}" for quote in "'\""]
    if dialect.escape_strings:
        string = _string("'", Reading.YES)
        # Escapes hold in the parts on further lines as well.
        literals.append(rf"[eE]{string}(?:[^\S\n]*\n\s*{string})*")
    if dialect.alternative_quotes is Reading.YES:
        literals.append(_ALTERNATIVE_QUOTED)
    elif dialect.alternative_quotes is Reading.EITHER:
        literals.append(rf"[nN]?[qQ]'{_REST}")
    return literals


def _cut_off(dialect: Dialect) -> list[str]:
    """A name that the end of the text cuts off: after a dot one in every reading, and word characters only."""
    return [] if dialect.double_quoted_literals is Reading.YES else [rf'"(?<="\.")\w*{_AT_END}']


def _parameter_signs(dialect: Dialect) -> list[str]:
    """What stands before the number of a numbered parameter: after a name or a literal it is an operator or a part of
    something else, and a colon also stands in the middle of slices.
    """
    return [
        r"(?<![^\s(,=<>+*/|-]):" if sign == ":" else rf"(?<![^\s([{{,;:=<>+*/|~!&^%#-]){re.escape(sign)}"
        for sign in dialect.numbered_parameters
    ]


def _comment_signs(dialect: Dialect) -> list[tuple[str, str]]:
    """Beginnings of comments, with a pattern of what has to follow."""
    # What a comment would leave behind after dashes is white space as well.
    signs = [("/*", ""), ("--", rf"(?=[\s{_END}/#-])" if dialect.dashes_need_space is Reading.YES else "")]
    if dialect.hash_comments is not Reading.NO:
        # Where nobody knows: `#t` is a name, `#>` and `#-` are operators.
        signs.append(("#", r"(?![\w>?]|-(?!-))" if dialect.hash_comments is Reading.EITHER else ""))
    if dialect.slash_comments is not Reading.NO:
        signs.append(("//", ""))
    return signs


def _mark_unclosed(scanned: str) -> str:
    closed = scanned.rfind("]") + 1
    return scanned[:closed] + scanned[closed:].replace("[", UNCLOSED) if "[" in scanned[closed:] else scanned


def _has_odd_names(tidied: str) -> bool:
    """Whether a name may hold anything but word characters, or a parameter brackets."""
    if UNCLOSED in tidied or _SPACED_DOT.search(tidied) is not None or "%(" in tidied:
        return True
    return (
        ('"' in tidied and not _are_plain(tidied.split('"')))
        or ("`" in tidied and not _are_plain(tidied.split("`")))
        or ("[" in tidied and not _are_plain(tidied.replace("]", "[").split("[")))
    )


def _are_plain(parts: list[str]) -> bool:
    # Every other part of a text is between quotes.
    return "".join(parts[1::2]).replace("_", "a").isalnum()


def _split(tidied: str) -> list[str]:
    # Twice as fast as a regular expression, and the same where quotes hold word characters only.
    for sign in "(),;?=<>+*/|&^~!-{}":
        if sign in tidied:
            tidied = tidied.replace(sign, f" {sign} ")
    return tidied.replace("::", " ::").split()


def _trustworthy(patterns: _Patterns, scanned: str, template: str) -> str:
    """The template up to where a stray quote puts it in doubt: in ``name = 'O'Brien'`` up to the ``'O'``."""
    kept: list[str] = []
    doubtful = 0
    for match in patterns.strange.finditer(scanned):
        kept.append(match[1])
        start, end = match.end(1), match.end()
        if patterns.string(scanned, start) is None:
            continue
        fits = _AFTER_STRING.match(scanned, end) is not None
        if not fits and not doubtful:
            doubtful = len(kept)
        is_open = end == len(scanned) - 1 and not _is_closed(patterns, scanned[start:end])
        if is_open or not (fits or scanned[end].isspace()):
            return "?".join([*kept[:doubtful], ""]) if doubtful else template
    return template


def _is_closed(patterns: _Patterns, string: str) -> bool:
    again = patterns.string(f"{string} {_END}")
    return again is not None and again.end() == len(string)
