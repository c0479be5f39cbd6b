"""A sanitized text comes in, sixteen hexadecimal digits that name its pattern go out.

Case outside quotes, white space, the style of parameters and the length of lists make no difference.
"""

from __future__ import annotations

import re
from hashlib import blake2b

_NAME = re.compile(r'("[^"]*"|`[^`]*`|\[[^\]]*\])')
_PARAMETER = re.compile(r"(?<![:@\w$])(?:[:@]\w+|\$\d+|\?\d+)|%(?:\(\w+\))?s\b")
# Between two words a space separates, anywhere else it decorates.
_DECORATION = re.compile(r" (?:(?<!\w )|(?!\w))")
_LIST = re.compile(r"\?(?:,\?)+")
_ROWS = re.compile(r"(\(\?\))(?:,\1)+")


def fingerprint_of(sanitized: str) -> str:
    """The name of a statement's pattern, the same in every process and on every machine."""
    text = sanitized.lower()
    if text != sanitized and ('"' in text or "`" in text or "[" in text):
        pieces = _NAME.split(sanitized)
        pieces[::2] = [piece.lower() for piece in pieces[::2]]
        text = "".join(pieces)
    if "$" in text or ":" in text or "@" in text or "%" in text or "?" in text:
        text = _PARAMETER.sub("?", text)
    text = _DECORATION.sub("", text)
    if "?,?" in text:
        text = _LIST.sub("?", text)
        text = _ROWS.sub(r"\1", text)
    return blake2b(text.rstrip(";").encode("utf-8", "replace"), digest_size=8).hexdigest()
