"""A condition as a database writes it into a plan comes in; out goes the same without a literal, or nothing."""

from __future__ import annotations

import re
from functools import lru_cache

from otel_dbmon_processors.dialects import dialect_for
from otel_dbmon_processors.lexer import UNCLOSED, lexer_for
from otel_dbmon_processors.sanitize import sanitizer_for

_LONGEST = 2_000
_NAME = re.compile(r'"(?:[^"]|"")*"')
#: What no condition holds once its literals are gone, names aside: a quote, or a digit that is part of no word.
_SUSPICIOUS = re.compile(r"""['"]|(?<![\w$])[+-]?\.?\d""")
_ODD = re.compile(r"[^\x20-\x7e\u00a1-\ufffd]")


@lru_cache(maxsize=1024)
def masked(condition: str, system: str) -> str:
    """The condition without values; "" where that is not certain.

    Args:
        condition: What the database shows: ``(status = 'open'::text)``.
        system: ``db.system.name``.
    """
    if len(condition) > _LONGEST:
        return ""
    safe = _sanitized(condition, system)
    # What is safe looks the same when it is made safe again.
    if _SUSPICIOUS.search(_NAME.sub("", safe)) is not None or _sanitized(safe, system) != safe:
        return ""
    return safe


def _sanitized(text: str, system: str) -> str:
    dialect = dialect_for(system)
    lexer, sanitizer = lexer_for(dialect), sanitizer_for(dialect)
    return sanitizer.finish(sanitizer.tidy(lexer.template(lexer.without_comments(text)))).replace(UNCLOSED, "[")


def named(name: object) -> str:
    """The name of a table, an index or a function, on one line."""
    return _ODD.sub(" ", str(name))[:63]
