"""From a line of unknown wording to the same line with only its known words: data and unknown words become ``?``."""

from __future__ import annotations

import re

from .vocabulary import WORDS

#: What can only be data: in braces or odd quotes, to the end of the line; quoted behind a colon, to the end of the
#: line; else quoted, an apostrophe inside a word aside, to where the quote is closed in front of a blank or a mark.
_hide_data = re.compile(
    r"""(["'`{<\xab\xbb\u2018-\u201f\u2039\u203a])(?:
        (?<=[^"'`]).*
      | (?<=[:=]\ .).*
      | (?<![^\s(\[,:;=].)(?:.*?\1(?![^\s)\],.;:!?])|.*)
    )""",
    re.VERBOSE,
).sub
_password = re.compile(r"(?i:pass(?:word|wd|phrase)?|pwd|secret)\s?[:=]").search
_collapse = re.compile(r"\?(?:[ ,;:.!]*\?)+").sub

_compound = re.compile(r"[A-Za-z]+(?:[-_/][A-Za-z]+){0,5}(?:\(s?\))?").fullmatch
_humps = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+").findall

_CLASS_SUFFIXES = ("Error", "Exception", "Warning")
_LOWER_CLASSES = frozenset({"error", "gaierror", "herror", "timeout"})


def mask_words(line: str) -> str:
    """Keep what can only be the words of a message; runs of masked ones become one ``?``."""
    if "://" in line:
        line = line[: line.rfind(" ", 0, line.index("://")) + 1] + "?"
    if (":" in line or "=" in line) and (password := _password(line)):
        line = line[: password.start()] + "?"
    words = [word if word in WORDS else _mask_word(word) for word in _hide_data("?", line).split()]
    return _collapse("?", " ".join(words))


def is_class_name(name: str) -> bool:
    """Tell whether a dotted name is an exception's class by its look: a suffix such as Error, or only known words."""
    module, _, last = name.rpartition(".")
    if last in _LOWER_CLASSES:
        return bool(module)
    letters = "".join(filter(str.isalpha, last))
    if not last[:1].isupper() or last.isupper() or len(last) > len(letters) + 3:
        return False
    return last.endswith(_CLASS_SUFFIXES) or ((bool(module) or len(_humps(last)) > 1) and _is_known(letters))


def _mask_word(word: str) -> str:
    body = word.lstrip("([")
    core = body.rstrip(".,;:!")
    if not _is_known(core):
        core = core.rstrip(")].,;:!")
    before, after = word[: len(word) - len(body)][:2], body[len(core) :][:2]
    if _is_known(core):
        return f"{before}{core}{after}"
    # A bracket that was opened inside the word goes with it.
    return f"{before}?{after.lstrip(')]') if '(' in core or '[' in core else after}"


def _is_known(word: str) -> bool:
    """Whether the word, or each of those it is put together from (not-null, JSONDecodeError), is in the vocabulary."""
    if word.lower() in WORDS:
        return True
    if _compound(word) is None:
        return False
    # A single letter is a word only on its own: compounds of letters are codes.
    return all(len(hump) > 1 and hump.lower() in WORDS for hump in _humps(word.removesuffix("(s)")))
