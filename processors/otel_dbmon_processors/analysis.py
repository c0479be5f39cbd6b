"""A statement comes in, everything that its text says goes out, from a cache where possible."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import NamedTuple

from otel_dbmon_processors.classify import Reader, summary_of
from otel_dbmon_processors.complexity import explanation_of, level_of, query_type_of, score_of
from otel_dbmon_processors.dialects import Dialect, dialect_for
from otel_dbmon_processors.fingerprint import fingerprint_of
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.lexer import UNCLOSED, lexer_for
from otel_dbmon_processors.sanitize import sanitizer_for


class _Fields(NamedTuple):
    sanitized: str
    operation: str
    collections: tuple[str, ...]
    summary: str
    query_type: str
    complexity: str
    explanation: str
    fingerprint: str


class Analysis(_Fields):
    """What the text of one statement says. Compared and hashed by identity, so that it is a fast key.

    Attributes:
        sanitized: The statement without literals and comments; "" if it could not be made safe.
        operation: Its first operation in upper case, "" if there is none.
        collections: The tables it names, without quotes, in order, each once.
        summary: Operations and targets as written, at most 255 characters.
        query_type: One of ``complexity.QUERY_TYPES``.
        complexity: ``low``, ``medium`` or ``high``.
        explanation: Type and complexity in plain words.
        fingerprint: 16 hexadecimal digits, equal for statements of the same pattern.
    """

    __slots__ = ()
    __eq__ = object.__eq__
    __ne__ = object.__ne__
    __hash__ = object.__hash__


#: What is said of a text that could not be analysed: nothing.
FAILED = Analysis("", "", (), "", "utility", "low", "", "")


class _Analyst:
    """Analyses texts of one dialect, without a memory."""

    def __init__(self, dialect: Dialect) -> None:
        lexer, sanitizer = lexer_for(dialect), sanitizer_for(dialect)
        self._dialect = dialect
        self.without_comments = lexer.without_comments
        self.template = lexer.template
        self.tidy = sanitizer.tidy
        self._finish = sanitizer.finish
        self._words = lexer.words
        self._words_and_strings = lexer.words_and_strings

    def analyze(self, statement: str) -> Analysis:
        """What the statement says."""
        text = self.without_comments(statement)
        tidied = self.tidy(self.template(text))
        return self.analyze_tidied(tidied) or self.analyze_text(tidied, text)

    def analyze_tidied(self, tidied: str) -> Analysis | None:
        """What a tidied template says; None if that depends on a literal that stands for a table."""
        words = self._words(tidied)
        reader = Reader(words, self._dialect)
        return None if reader.has_string_target else self._result(tidied, words, reader)

    def analyze_text(self, tidied: str, text: str) -> Analysis:
        """What a text without comments says, in which literals stand for tables."""
        return self._result(tidied, self._words(tidied), Reader(self._words_and_strings(text), self._dialect))

    def _result(self, tidied: str, words: list[str], reader: Reader) -> Analysis:
        sanitized = self._finish(tidied)
        kind, level = query_type_of(reader), level_of(score_of(reader))
        return Analysis(
            sanitized.replace(UNCLOSED, "[") if UNCLOSED in sanitized else sanitized,
            reader.operation,
            tuple(reader.collections),
            summary_of(reader.statements),
            kind,
            level,
            explanation_of(kind, level),
            fingerprint_of(words if sanitized is tidied else self._words(sanitized)),
        )


@lru_cache(maxsize=None)
def _analyst_for(dialect: Dialect) -> _Analyst:
    return _Analyst(dialect)


def analyze(statement: str, dialect: str = "") -> Analysis:
    """Analyse one statement, without a cache.

    Args:
        statement: Any text.
        dialect: A value of ``db.system.name``; "" if unknown.
    """
    return _analyst_for(dialect_for(dialect)).analyze(statement)


class Analyzer:
    """Analyses statements and remembers what it found.

    Args:
        cache_size: How many statements, and how many templates, are remembered at most.
        max_query_length: Longest sanitized text, in characters.
        guard: Counts our failures.
    """

    def __init__(self, cache_size: int = 1000, max_query_length: int = 8192, guard: Guard | None = None) -> None:
        self._cache_size = cache_size
        self._max_query_length = max_query_length
        self._guard = guard or Guard()
        self.reset()

    def reset(self) -> None:
        """Forget everything, with new locks; for a forked child."""
        self._lock = threading.Lock()
        self._cache: dict[tuple[str, str], Analysis] = {}

    def analyze(self, statement: str, system: str = "") -> Analysis:
        """What the statement says; never raises.

        Args:
            statement: The statement as sent to the database.
            system: A value of ``db.system.name``.
        """
        try:
            return analyze(statement, system)
        except Exception as error:  # noqa: BLE001 - nothing of ours may reach the service
            self._guard.failed("analysis", error)
            return FAILED
