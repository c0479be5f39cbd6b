"""A sanitized text comes in, sixteen hexadecimal digits that name its pattern go out.

Case outside quotes, white space, the style of parameters and the length of lists make no difference.
"""

from __future__ import annotations

import re
from hashlib import blake2b

_QUOTES = frozenset('"`[')
_QUOTED = re.compile(r'"[^"]*"|`[^`]*`|\[[^\[\]]*\]')
_AT_QUOTED = re.compile(f"({_QUOTED.pattern})")
_PARAMETER = re.compile(r"[:@$%](?<!\S.)(?:(?<=[:@])\w+|(?<=\$)\d+|(?<=%)(?:\(\w+\))?s)(?!\S)")
_LIST = re.compile(r"\?(?: , \?(?! ::))+")
# SQLAlchemy writes the type behind each parameter that goes to PostgreSQL: IN ($1::INTEGER, $2::INTEGER).
_TYPE = r" ::\S+(?: [A-Za-z]+){0,3}(?: \( \? \))?(?: \[ \])*"
_TYPED_LIST = re.compile(rf"(\?{_TYPE})(?: , \1(?= |\Z))+")
_ROWS = re.compile(r"(\( \?[^()]* \))(?: , \1)+")


def fingerprint_of(words: list[str]) -> str:
    """The name of a statement's pattern, the same in every process and on every machine."""
    text = " ".join(words)
    if ('"' in text or "`" in text or "[" in text) and _has_cased_names(text):
        text = _lower_outside_quotes(text) if " [ " not in f" {text} " else " ".join(map(_lower, words))
    else:
        text = text.lower()
    if "$" in text or ":" in text or "@" in text or "%" in text:
        text = _PARAMETER.sub("?", text)
    if "? , ?" in text:
        text = _LIST.sub("?", text)
    if "? ::" in text:
        text = _TYPED_LIST.sub(r"\1", text)
    if ") , (" in text:
        text = _ROWS.sub(r"\1", text)
    return blake2b(text.rstrip("; ").encode("utf-8", "replace"), digest_size=8).hexdigest()


def _has_cased_names(text: str) -> bool:
    # Every other part of a text is between quotes.
    parts = text.replace("`", '"').replace("[", '"').replace("]", '"').split('"')
    names = "".join(parts[1::2])
    return names != names.lower()


def _lower_outside_quotes(text: str) -> str:
    parts = _AT_QUOTED.split(text)
    # Every other part is a quoted name.
    parts[::2] = map(str.lower, parts[::2])
    return "".join(parts)


def _lower(word: str) -> str:
    if word[0] not in _QUOTES and '"' not in word and "`" not in word and "[" not in word:
        return word.lower()
    if "." not in word.replace("].[", "").replace('"."', "").replace("`.`", ""):
        # Quoted from end to end.
        return word
    names = [*_QUOTED.findall(word), ""]
    return "".join([piece.lower() + name for piece, name in zip(_QUOTED.split(word), names, strict=True)])
