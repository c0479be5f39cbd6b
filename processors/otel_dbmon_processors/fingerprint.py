"""A sanitized text comes in, sixteen hexadecimal digits that name its pattern go out.

Case outside quotes, white space, the style of parameters and the length of lists make no difference.
"""

from __future__ import annotations

import re
from hashlib import blake2b

_QUOTES = frozenset('"`[')
_QUOTED = re.compile(r'"[^"]*"|`[^`]*`|\[[^\[\]]*\]')
_PARAMETER = re.compile(r"[:@$%](?<!\S.)(?:(?<=[:@])\w+|(?<=\$)\d+|(?<=%)(?:\(\w+\))?s)(?!\S)")
_LIST = re.compile(r"\?(?: , \?(?! ::))+")
# SQLAlchemy writes the type behind each parameter that goes to PostgreSQL: IN ($1::INTEGER, $2::INTEGER).
_TYPE = r" ::\S+(?: [A-Za-z]+){0,3}(?: \( \? \))?(?: \[ \])*"
_TYPED_LIST = re.compile(rf"(\?{_TYPE})(?: , \1(?= |\Z))+")
_ROWS = re.compile(r"(\( \?[^()]* \))(?: , \1)+")


def fingerprint_of(words: list[str]) -> str:
    """The name of a statement's pattern, the same in every process and on every machine."""
    text = " ".join(words)
    cased = _cased_names(text) if '"' in text or "`" in text or "[" in text else ""
    if cased and " [ " in f" {text} ":
        # Brackets of arrays are no quotes.
        text, cased = " ".join(map(_lower, words)), ""
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
    named = text.rstrip("; ") + cased
    return blake2b(named.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _cased_names(text: str) -> str:
    """The quoted names of a text if their case makes a difference, as something to put behind it; else nothing."""
    # Every other part of a text is between quotes.
    names = '"'.join(text.replace("`", '"').replace("[", '"').replace("]", '"').split('"')[1::2])
    return "" if names == names.lower() else f"\0{names}"


def _lower(word: str) -> str:
    if word[0] not in _QUOTES and '"' not in word and "`" not in word and "[" not in word:
        return word.lower()
    if "." not in word.replace("].[", "").replace('"."', "").replace("`.`", ""):
        # Quoted from end to end.
        return word
    names = [*_QUOTED.findall(word), ""]
    return "".join([piece.lower() + name for piece, name in zip(_QUOTED.split(word), names, strict=True)])
