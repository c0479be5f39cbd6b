"""A statement comes in, everything that its text says goes out, from a cache where possible."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from otel_dbmon_processors.classify import Reader, summary_of
from otel_dbmon_processors.complexity import explanation_of, level_of, query_type_of, score_of
from otel_dbmon_processors.dialects import Dialect, dialect_for
from otel_dbmon_processors.fingerprint import fingerprint_of
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.lexer import UNCLOSED, lexer_for
from otel_dbmon_processors.sanitize import sanitizer_for


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
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

    sanitized: str
    operation: str
    collections: tuple[str, ...]
    summary: str
    query_type: str
    complexity: str
    explanation: str
    fingerprint: str


#: What is said of a text that could not be analysed: nothing.
FAILED = Analysis("", "", (), "", "utility", "low", "", "")


def analyze(statement: str, dialect: str = "") -> Analysis:
    """Analyse one statement, without a cache.

    Args:
        statement: Any text.
        dialect: A value of ``db.system.name``; "" if unknown.
    """
    return _analyze(statement, dialect_for(dialect))


def _analyze(statement: str, dialect: Dialect) -> Analysis:
    lexer = lexer_for(dialect)
    text = lexer.without_comments(statement)
    analysis = _analyze_template(lexer.template(text), dialect)
    if analysis is None:
        analysis = _analyze_template(lexer.template(text), dialect, text)
    assert analysis is not None
    return analysis


def _analyze_template(template: str, dialect: Dialect, text: str | None = None) -> Analysis | None:
    lexer, sanitizer = lexer_for(dialect), sanitizer_for(dialect)
    tidied = sanitizer.tidy(template)
    words = lexer.words(tidied) if text is None else lexer.words_and_strings(text)
    reader = Reader(words, dialect)
    if reader.has_string_target and text is None:
        return None
    sanitized = sanitizer.redact(
        tidied, booleans=reader.has_booleans, passwords=reader.has_passwords, copied=reader.has_copied_data
    )
    if sanitized is not tidied:
        words = lexer.words(sanitized)
    kind, level = query_type_of(reader), level_of(score_of(reader))
    return Analysis(
        sanitized.replace(UNCLOSED, "["),
        reader.operation,
        tuple(reader.collections),
        summary_of(reader.statements),
        kind,
        level,
        explanation_of(kind, level),
        fingerprint_of(words),
    )


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
