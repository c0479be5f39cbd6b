"""From a text in an application's own words to one that may leave: its words stay, whatever looks like data goes.

Error messages of databases and statements have stricter rules of their own (``messages``, ``sanitize``); this is for
what people write themselves: log messages, breadcrumbs, the messages of their exceptions. There an unknown word is
most often just a word, so it stays unless it is known to be a value; everything quoted, everything with a digit or an
``@`` in it, and what follows a ``=`` becomes ``?``.

What can't be known: a value that is nothing but letters, unquoted, in a text whose values nobody knows ("hello Ann").
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any

from .urls import redact_url
from .vocabulary import WORDS

#: Characters that are read; a longer text is one of data.
_MAX_LENGTH = 8192
_MAX_VALUES, _LONGEST_VALUE, _SHORTEST_WORD = 200, 80, 3

#: From one quote to the next of its kind, an apostrophe inside a word aside; to the end of the line without one.
_hide_quoted = re.compile(
    r"""(?<![^\W_])(["'`]).*?(?:\1(?![^\W_])|$)|[\xab\u2018\u201c\u201e\u2039].*?(?:[\xbb\u2019\u201d\u203a]|$)""",
    re.MULTILINE,
).sub
_password = re.compile(r"(?i:pass(?:word|wd|phrase)?|pwd|secret|token)\s?[:=].*", re.MULTILINE).sub
_hide_tokens = re.compile(r"\S+").sub
_url = re.compile(r"([(<\[]*)([A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s)>\]]*)").match
_core = re.compile(r"[(\[{<]*(.*?)[)\]}>.,;:!?]*", re.DOTALL).fullmatch
_assigned = re.compile(r"([A-Za-z_][A-Za-z_.-]{0,40}=).+", re.DOTALL).fullmatch
_has_data = re.compile(r"[0-9@]").search
_words = re.compile(r"[^\W\d_]{3,}").findall
_plain = re.compile(r"[\w .,@+'-]+").fullmatch

#: The quoted text of a line of Python, to its end where it is not closed; a quote inside a word opens nothing.
_quoted_in_source = re.compile(r"""(["'])(?:\\.|(?!\1).)*(?:\1|$)""").sub

_object = re.compile(r"<([A-Za-z_][\w.]{0,200}) object at 0x[0-9A-Fa-f]{1,16}>").fullmatch


def mask_data(text: str, typed: Collection[str] = frozenset()) -> str:
    """Keep the words of a text and mask what looks like data. Total, linear.

    Args:
        text: Any text.
        typed: Words, in lower case, that are known to be values here (:func:`typed_words`).
    """
    text = _hide_quoted("?", _password("?", text[:_MAX_LENGTH]))
    return _hide_tokens(lambda found: _masked_token(found[0], typed), text)


def _masked_token(token: str, typed: Collection[str]) -> str:
    if found := _url(token):
        return f"{found[1]}{redact_url(found[2])}{token[found.end() :]}"
    found = _core(token)
    core = found[1] if found else token
    if not core:
        return token
    if assigned := _assigned(core):
        masked = f"{assigned[1]}?"
    elif (_has_data(core) and core.lower() not in WORDS) or is_typed(core, typed):
        masked = "?"
    else:
        return token
    start = token.index(core)
    return f"{token[:start]}{masked}{token[start + len(core) :]}"


def is_typed(core: str, typed: Collection[str]) -> bool:
    """Whether a text has one of these words in it (:func:`typed_words`)."""
    return bool(typed) and any(word.lower() in typed for word in _words(core))


def typed_words(values: Iterable[str]) -> frozenset[str]:
    """The words of which short values consist, in lower case, without the ordinary ones.

    Args:
        values: Texts that are values and nothing else; long ones, and those that look like paths or code, say nothing.
    """
    found: set[str] = set()
    for value in islice(values, _MAX_VALUES):
        value = value.strip("\"'")
        if len(value) <= _LONGEST_VALUE and _plain(value):
            found.update(word.lower() for word in _words(value))
    return frozenset(found - WORDS)


def leaves(value: Any, depth: int = 8) -> Iterator[str]:
    """All texts in nested data, those of keys aside."""
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, dict):
        for each in value.values():
            yield from leaves(each, depth - 1)
    elif depth and isinstance(value, (list, tuple)):
        for each in value:
            yield from leaves(each, depth - 1)


def kind_of_value(value: Any) -> str:
    """What may be said of a variable's value: of what kind it was.

    Args:
        value: As a stack frame says it: a text that is Python's ``repr()``, or nested lists and dicts of such.
    """
    if isinstance(value, dict):
        return "{...}"
    if isinstance(value, (list, tuple)):
        return "[...]"
    text = str(value)
    if text in ("None", "True", "False"):
        return text
    found = _object(text)
    return f"<{found[1]}>" if found else "?"


def mask_source(line: str) -> str:
    """A line of Python without what is quoted in it: a statement in the source may have a value pasted into it."""
    return _quoted_in_source(r"\1?\1", line)
