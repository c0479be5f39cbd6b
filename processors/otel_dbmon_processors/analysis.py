"""A statement comes in, everything that its text says goes out, from a cache where possible."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from otel_dbmon_processors.classify import Reader, summary_of
from otel_dbmon_processors.complexity import assess
from otel_dbmon_processors.dialects import Dialect, dialect_for
from otel_dbmon_processors.fingerprint import fingerprint_of
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.lexer import UNCLOSED, lexer_for
from otel_dbmon_processors.sanitize import sanitizer_for


class _Fields(NamedTuple):
    sanitized: str
    operation: str
    collections: tuple[str, ...]
    table: str
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
        collections: The tables it names, as written, in order, each once.
        table: The first of them without its quotes, as metrics and spans name it; "" if there is none.
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


_CHARACTERS_PER_ENTRY = 1024
_MIN_SEEN = 1024
_MAX_SYSTEMS = 64
# How much of a statement is read, in lengths of the longest sanitized text: long lists of literals shrink.
_RAW_LENGTHS = 16
#: What is said of a text that could not be analysed: nothing.
FAILED = Analysis("", "", (), "", "", "utility", "low", "", "")
# Remembered of a template whose analysis depends on its literals (FROM 'x').
_IN_THE_LITERALS = Analysis("", "", (), "", "", "utility", "low", "", "")


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
        self._template_with_strings = lexer.template_with_strings

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
        words = self._words_and_strings(self.tidy(self._template_with_strings(text)))
        return self._result(tidied, self._words(tidied), Reader(words, self._dialect))

    def _result(self, tidied: str, words: list[str], reader: Reader) -> Analysis:
        sanitized = self._finish(tidied)
        kind, level, explanation = assess(reader)
        return Analysis(
            sanitized.replace(UNCLOSED, "[") if UNCLOSED in sanitized else sanitized,
            reader.operation,
            tuple(reader.collections.values()),
            next(iter(reader.collections), ""),
            summary_of(reader.statements),
            kind,
            level,
            explanation,
            fingerprint_of(words if sanitized is tidied else self._words(sanitized)),
        )


@cache
def _analyst_for(dialect: Dialect) -> _Analyst:
    return _Analyst(dialect)


def analyze(statement: str, dialect: str = "") -> Analysis:
    """Analyse one statement, without a cache.

    Args:
        statement: Any text.
        dialect: A value of ``db.system.name``; "" if unknown.
    """
    return _analyst_for(dialect_for(dialect)).analyze(statement)


class _Memory:
    """A bounded map in two generations: when the younger one is full, the older one is forgotten."""

    def __init__(self, entries: int, characters: int, longest: int) -> None:
        self._entries = max(1, entries // 2)
        self._characters = max(1, characters // 2)
        self._longest = longest
        self._held = 0
        self.young: dict[str, Analysis] = {}
        self.old: dict[str, Analysis] = {}

    def recall(self, key: str) -> Analysis | None:
        """What is remembered; what only the older generation knows moves to the younger."""
        found = self.young.get(key)
        if found is None:
            found = self.old.get(key)
            if found is not None:
                self.remember(key, found)
        return found

    def remember(self, key: str, analysis: Analysis) -> None:
        """Remember, unless the key is too long to be worth its place."""
        if len(key) > self._longest:
            return
        self._held += len(key) + len(analysis.sanitized) + len(analysis.summary)
        if len(self.young) >= self._entries or self._held > self._characters:
            # Without a lock two threads may both come here: then more is forgotten than need be, no more.
            self.old, self.young, self._held = self.young, {}, 0
        self.young[key] = analysis


class _Room:
    """What is remembered of one dialect's statements.

    A statement is remembered when it comes a second time: texts with ever new literals shall not push out those that
    do come again. For the first time there is its template.
    """

    def __init__(self, dialect: Dialect, entries: int, longest: int, guard: Guard) -> None:
        self._analyst = _analyst_for(dialect)
        self._longest = longest
        self._guard = guard
        self._seen_limit = max(_MIN_SEEN, entries)
        self._seen: set[int] = set()
        self._templates = _Memory(entries, entries * _CHARACTERS_PER_ENTRY, longest)
        self.statements = _Memory(entries, entries * _CHARACTERS_PER_ENTRY, longest)

    def analyze(self, statement: str) -> Analysis:
        """What a statement says that is not in the younger generation of ``statements``."""
        statements = self.statements
        if statement in statements.old:
            found = statements.recall(statement)
            if found is not None:
                return found
        found = self._by_template(statement[: self._longest * _RAW_LENGTHS])
        mark = hash(statement)
        if mark in self._seen:
            statements.remember(statement, found)
        else:
            if len(self._seen) >= self._seen_limit:
                self._seen = set()
            self._seen.add(mark)
        return found

    def remembered(self) -> Iterator[Analysis]:
        """Everything that is remembered, some of it more than once."""
        for memory in (self._templates, self.statements):
            # Copied at one go, while other threads go on remembering.
            yield from (*memory.young.values(), *memory.old.values())

    def _by_template(self, statement: str) -> Analysis:
        analyst = self._analyst
        text = analyst.without_comments(statement)
        template = analyst.template(text)
        templates = self._templates
        found = templates.young.get(template)
        if found is None and template in templates.old:
            found = templates.recall(template)
        if found is None:
            found = self._by_tidied(template)
        if found is _IN_THE_LITERALS:
            found = self._shortened(analyst.analyze_text(analyst.tidy(template), text))
        return found

    def _by_tidied(self, template: str) -> Analysis:
        templates = self._templates
        tidied = self._analyst.tidy(template)
        # Lists of other lengths and other white space end here: one pattern shall be one object.
        found = templates.recall(tidied) if tidied != template else None
        if found is None:
            analysis = self._analyst.analyze_tidied(tidied)
            found = _IN_THE_LITERALS if analysis is None else self._shortened(analysis)
            templates.remember(tidied, found)
        if tidied != template:
            templates.remember(template, found)
        return found

    def _shortened(self, analysis: Analysis) -> Analysis:
        if len(analysis.sanitized) <= self._longest:
            return analysis
        self._guard.drop("query_text")
        cut = analysis.sanitized.rfind(" ", 0, self._longest)
        return analysis._replace(sanitized=analysis.sanitized[: max(cut, 0)])


class Analyzer:
    """Analyses statements and remembers what it found, by statement and by template. Thread safe.

    Args:
        cache_size: How many statements, and how many templates, of each dialect are remembered at most.
        max_query_length: Longest sanitized text, in characters; sixteen times as much of a statement is read.
        guard: Counts our failures and shortened texts.
    """

    def __init__(self, cache_size: int = 1000, max_query_length: int = 8192, guard: Guard | None = None) -> None:
        self._cache_size = cache_size
        self._max_query_length = max_query_length
        self._guard = guard if guard is not None else Guard()
        self.reset()

    def reset(self) -> None:
        """Forget everything; for a forked child. There are no locks that another thread could have held."""
        self._rooms: dict[str, _Room] = {}
        self._rooms_of_dialects: dict[Dialect, _Room] = {}

    def analyze(self, statement: str, system: str = "") -> Analysis:
        """What the statement says; never raises.

        Args:
            statement: The statement as sent to the database.
            system: A value of ``db.system.name``.
        """
        try:
            room = self._rooms.get(system) or self._room(system)
            return room.statements.young.get(statement) or room.analyze(statement)
        except Exception as error:  # noqa: BLE001 - nothing of ours may reach the service
            self._guard.failed("analysis", error)
            return FAILED

    def find(self, fingerprint: str) -> tuple[Analysis, str] | None:
        """What is remembered of a pattern, and whose SQL it is (a dialect's name); None if that is forgotten.

        Goes through all that is remembered: for a person who asks, not for a statement.
        """
        for dialect, room in tuple(self._rooms_of_dialects.items()):
            for analysis in room.remembered():
                if analysis.fingerprint == fingerprint:
                    return analysis, dialect.name
        return None

    def _room(self, system: str) -> _Room:
        dialect = dialect_for(system)
        room = self._rooms_of_dialects.get(dialect)
        if room is None:
            room = _Room(dialect, self._cache_size, self._max_query_length, self._guard)
            room = self._rooms_of_dialects.setdefault(dialect, room)
        if len(self._rooms) < _MAX_SYSTEMS:
            self._rooms[system] = room
        return room
