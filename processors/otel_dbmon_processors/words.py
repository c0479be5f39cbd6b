"""From a line of unknown wording to the same line with only its known words: data and unknown words become ``?``."""

from __future__ import annotations

import re

from .vocabulary import WORDS

#: What can only be data: quoted, behind a colon to the end of the line, in braces, a URL, a password.
_hide = re.compile(
    r"""(?<=[:=]\ )["'`].*
    |(?<![^\s(\[,:;=])(["'`])(?:.*?\1(?![^\s)\],.;:!?])|.*)
    |[{<\xab\xbb\u2018-\u201f\u2039\u203a].*
    |[A-Za-z][A-Za-z0-9+]{1,20}://.*
    |\b(?i:pass(?:word|wd|phrase)?|pwd|secret)\s?[:=].*
    """,
    re.VERBOSE,
).sub
_collapse = re.compile(r"\?(?:[ ,;:.!]*\?)+").sub

_compound = re.compile(r"[A-Za-z]+(?:[-_/][A-Za-z]+){0,5}(?:\(s?\))?").fullmatch
_humps = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+").findall

_CLASS_SUFFIXES = ("Error", "Exception", "Warning", "Failure", "Timeout", "Exit", "Interrupt", "Violation", "Group")
_LOWER_CLASSES = frozenset({"error", "gaierror", "herror", "timeout"})


def mask_words(line: str) -> str:
    """Keep what can only be the words of a message; runs of masked ones become one ``?``."""
    words = [word if word in WORDS else _mask_word(word) for word in _hide("?", line).split()]
    return _collapse("?", " ".join(words))


def is_class_name(name: str) -> bool:
    """Tell whether a dotted name is an exception's class by its look: a suffix such as Error, or only known words."""
    module, _, last = name.rpartition(".")
    if last in _LOWER_CLASSES:
        return bool(module)
    if not last[:1].isupper() or last.isupper() or sum(map(str.isdigit, last)) > 2:
        return False
    return last.endswith(_CLASS_SUFFIXES) or ((bool(module) or len(_humps(last)) > 1) and _is_known(last))


def _mask_word(word: str) -> str:
    body = word.lstrip("([")
    core = body.rstrip(".,;:!")
    if not _is_known(core):
        core = core.rstrip(")].,;:!")
    before, after = word[: len(word) - len(body)], body[len(core) :]
    return f"{before[:2]}{core if _is_known(core) else '?'}{after[:2]}"


def _is_known(word: str) -> bool:
    """Whether the word, or each of those it is put together from (not-null, JSONDecodeError), is in the vocabulary."""
    if word.lower() in WORDS:
        return True
    if not _compound(word):
        return False
    # A single letter is a word only on its own: compounds of letters are codes.
    return all(len(hump) > 1 and hump.lower() in WORDS for hump in _humps(word.removesuffix("(s)")))
