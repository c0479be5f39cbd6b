"""A sanitized text comes in, sixteen hexadecimal digits that name its pattern go out.

Case outside quotes, white space, the style of parameters and the length of lists make no difference.
"""

from __future__ import annotations

import re
from hashlib import blake2b

# A closing quote is followed by a space or a dot.
_CASED_NAME = re.compile(r"[\"`\[](?![ .]|\Z)[^\"`\[\]A-Z]*[A-Z]")
_QUOTED = re.compile(r'"[^"]*"|`[^`]*`|\[[^\[\]]*\]')
_PARAMETER = re.compile(r"[:@$%](?<!\S.)(?:(?<=[:@])\w+|(?<=\$)\d+|(?<=%)(?:\(\w+\))?s)(?!\S)")
_LIST = re.compile(r"\?(?: , \?)+")
_ROWS = re.compile(r"(\( \? \))(?: , \1)+")


def fingerprint_of(words: list[str]) -> str:
    """The name of a statement's pattern, the same in every process and on every machine."""
    text = " ".join(words)
    if ('"' in text or "`" in text or "[" in text) and (not text.isascii() or _CASED_NAME.search(text) is not None):
        text = _lower_outside_quotes(text)
    else:
        text = text.lower()
    if "$" in text or ":" in text or "@" in text or "%" in text:
        text = _PARAMETER.sub("?", text)
    if "? , ?" in text:
        text = _ROWS.sub(r"\1", _LIST.sub("?", text))
    return blake2b(text.rstrip("; ").encode("utf-8", "replace"), digest_size=8).hexdigest()


def _lower_outside_quotes(text: str) -> str:
    names = [*_QUOTED.findall(text), ""]
    return "".join([piece.lower() + name for piece, name in zip(_QUOTED.split(text), names, strict=True)])
