"""The words of a template come in, what the statement does goes out: operations, targets and how it is built.

This is no parser. Each keyword that says something has a handler that looks at its neighbours; what is between keywords
is never looked at. Brackets open frames, so that a FROM inside EXTRACT() is not taken for the query's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import compress, count

from otel_dbmon_processors import keywords
from otel_dbmon_processors.dialects import Dialect, Reading

#: Longest summary, as the semantic conventions say.
MAX_SUMMARY = 255

_MAX_KNOWN_WORDS = 4096
_LONGEST_KNOWN_WORD = 64

_SPACED_DOT = re.compile(r"\s*\.\s*")
_NAME_PART = re.compile(r'"((?:[^"]|"")*)"|`((?:[^`]|``)*)`|\[((?:[^\]]|\]\])*)\]|\'((?:[^\']|\'\')*)\'')

_NAME_LIKE = re.compile(r"'[\w $.-]{1,128}'")
_NO_QUOTES = {ord(quote): None for quote in "\"`[]'"}

# What a FROM belongs to.
_READERS = frozenset({"SELECT", "DELETE", "UPDATE"})
_FILLED = frozenset({"INSERT", "REPLACE", "UPSERT", "MERGE", "COPY", "LOAD", "SELECT"})


class Reader:
    """Reads one text's words from left to right and collects what they say.

    Attributes:
        statements: For each statement its operations and targets, as written.
        collections: The tables in order, each once: its name without quotes, and as first written.
        operation: The first operation in upper case.
        joins, subqueries, set_operations, windows, aggregates, groupings, ctes, recursions, distincts: How many.
        is_upsert: Whether an INSERT says what to do about existing rows.
        has_string_target: Whether a literal stands where a table should.
    """

    # Slots are read twice as fast as defaults of a class.
    __slots__ = (
        *("operation", "first", "joins", "subqueries", "set_operations", "windows", "aggregates", "groupings", "ctes"),
        *("recursions", "distincts", "is_upsert", "has_string_target", "statements", "collections"),
        *("_dialect", "_words", "_handlers", "_parts", "_names", "_stack", "_is_open", "_lists", "_with", "_is_muted"),
        *("_is_routine", "_is_recursive", "_verb", "_body", "_next", "_fresh", "_group", "_cte"),
    )

    def __init__(self, words: list[str], dialect: Dialect) -> None:
        self.operation = self.first = ""
        self.joins = self.subqueries = self.set_operations = self.windows = 0
        self.aggregates = self.groupings = self.ctes = self.recursions = self.distincts = 0
        self.is_upsert = self.has_string_target = False
        self.statements: list[list[str]] = []
        self.collections: dict[str, str] = {}
        self._dialect = dialect
        self._words = words
        self._handlers: list[_Handler | None] = list(map(_HANDLER_OF.__getitem__, words))
        self._parts: list[str] = []
        self._names: set[str] = set()
        self._stack: list[tuple[bool, str, tuple[bool, str] | None]] = []
        self._is_open = True
        self._lists = self._with = self._is_muted = self._is_routine = self._is_recursive = False
        self._verb = self._body = ""
        self._next = self._fresh = 0
        self._group = -1
        self._cte = (-1, "")
        handlers = self._handlers
        for index in compress(count(), handlers):
            if index >= self._next and (self._lists or handlers[index] is not _comma):
                handlers[index](self, index)  # type: ignore[misc]  # compress() leaves out None
        if self._parts:
            self.statements.append(self._parts)

    def _begin_statement(self, index: int) -> None:
        if self._parts:
            self.statements.append(self._parts)
            self._parts = []
        self._fresh = index
        self._is_open = True
        self._lists = self._with = self._is_muted = self._is_routine = self._is_recursive = False
        self._verb = self._body = ""
        self._group = -1
        self._cte = (-1, "")
        self._stack.clear()

    # -- helpers -------------------------------------------------------------------------------------------------

    def _word(self, index: int) -> str:
        return self._words[index].upper() if 0 <= index < len(self._words) else ""

    def _may_start(self, index: int) -> bool:
        return self._is_open or index == self._fresh

    def _operate(self, text: str, verb: str) -> None:
        self._verb = verb
        self._is_open = self._lists = False
        if not self._is_muted:
            self._parts.append(text)
        if not self.first:
            self.operation = text.partition(" ")[0].upper()
            self.first = verb

    def _is_name(self, index: int) -> bool:
        if index >= len(self._words):
            return False
        word = self._words[index]
        if word.isidentifier():
            return True
        first = word[0]
        if word[-1] in "?." or (first in '"`' and word.count(first) & 1):
            return False
        return first.isalpha() or first in "_\"`[#'" or (first == "@" and self._dialect.stages)

    def _target(self, index: int, is_table: bool = True, may_call: bool = True) -> int:
        """Take the word at ``index``, past prefixes, for a target.

        Args:
            index: Of the word.
            is_table: Whether it is a collection.
            may_call: Whether a bracket after it makes it a function.

        Returns:
            The index after it, or the index at which no target was found.
        """
        words = self._words
        if index >= len(words):
            return index
        handler = self._handlers[index]
        if handler is not None:
            if handler is _prefix:
                index = self._after_prefixes(index)
                handler = self._handlers[index]
            if handler is _open:
                self._group = index
                return index
            if handler in _NO_NAMES:
                return index
        word = words[index]
        if word == "?":
            self.has_string_target = self.has_string_target or (is_table and self._dialect.quoted_string_targets)
            return index
        if word[0] in "'\"" and not self._may_be_target(word, is_table):
            return index
        following = index + 1
        if may_call and is_table and following < len(words) and words[following] == "(":
            return index
        name = written = word
        if not word.isidentifier():
            if not self._is_name(index):
                return index
            written, name = _compact(word), _unquoted(word)
        self._next = following
        if is_table and self._names and name.upper() in self._names:
            # A common table expression.
            return following
        if not self._is_muted:
            self._parts.append(written)
        if is_table and name not in self.collections:
            self.collections[name] = written
        return following

    def _may_be_target(self, word: str, is_table: bool) -> bool:
        # What could be a literal is a name only where nothing but a table can stand, and if it looks like one. COPY
        # goes into places as well, which are strings.
        is_only_table = is_table and self._verb != "COPY"
        if word[0] == "'":
            return is_only_table and _NAME_LIKE.fullmatch(word) is not None
        in_doubt = self._dialect.double_quoted_literals is Reading.EITHER
        return is_only_table or not in_doubt or '".' in word

    def _after_prefixes(self, index: int) -> int:
        # A word like ONLY may also be the name itself.
        while self._handlers[index] is _prefix and index + 1 < len(self._words):
            following = self._handlers[index + 1]
            if following in _NO_NAMES or not (following is _open or self._is_name(index + 1)):
                break
            index += 1
        return index


_Handler = Callable[[Reader, int], None]


def _compact(word: str) -> str:
    """A dotted name without the space around its dots."""
    if " " not in word or any(quote in word for quote in "\"`['"):
        return word
    return _SPACED_DOT.sub(".", word)


def _unquoted(word: str) -> str:
    if word.isidentifier():
        return word
    plain = word.translate(_NO_QUOTES)
    if plain.replace(".", "").isidentifier():
        return plain
    return _compact(_NAME_PART.sub(lambda part: next(text for text in part.groups() if text is not None), word))


def _prefix(reader: Reader, index: int) -> None:
    """A word that may stand before a target says nothing elsewhere."""


def _select(reader: Reader, index: int) -> None:
    if reader._is_muted and not reader._is_routine:
        return
    reader._operate(reader._words[index], "SELECT")
    reader._with = False


def _from(reader: Reader, index: int) -> None:
    # IS DISTINCT FROM compares.
    if reader._verb in _READERS and reader._handlers[index - 1] is not _distinct:
        reader._lists = True
        reader._target(index + 1)


def _join(reader: Reader, index: int) -> None:
    reader.joins += 1
    reader._lists = True
    reader._target(index + 1)


def _apply(reader: Reader, index: int) -> None:
    if reader._lists and reader._word(index - 1) in ("CROSS", "OUTER"):
        _join(reader, index)


def _comma(reader: Reader, index: int) -> None:
    """Only called where it separates targets."""
    if reader._verb in _READERS:
        reader.joins += 1
    reader._target(index + 1)


def _clause_end(reader: Reader, index: int) -> None:
    reader._lists = False


def _soft_clause_end(reader: Reader, index: int) -> None:
    """Not called where a target stands."""
    reader._lists = False


def _group(reader: Reader, index: int) -> None:
    reader._lists = False
    if reader._word(index + 1) == "BY":
        reader.groupings += 1


def _open(reader: Reader, index: int) -> None:
    reader._fresh = inner = index + 1
    handlers = reader._handlers
    following = handlers[inner] if inner < len(handlers) else None
    if following is None and reader._group != index and index + 2 < len(handlers) and handlers[index + 2] is _close:
        # The argument of most functions.
        reader._next = index + 3
    elif following in _QUERY_STARTS or reader._cte[0] == index:
        _open_query(reader, index)
    elif reader._group == index:
        # Brackets around joins: what is inside is read like the list outside.
        reader._stack.append((reader._lists, reader._verb, None))
        reader._lists = True
        reader._target(inner)
    else:
        reader._stack.append((reader._lists, reader._verb, None))
        reader._lists = False
        reader._verb = ""


def _open_query(reader: Reader, index: int) -> None:
    body_index, body = reader._cte
    is_body = body_index == index
    if reader._verb and not is_body:
        reader.subqueries += 1
    reader._stack.append((reader._lists, reader._verb, (reader._with, reader._body)))
    reader._body = body if is_body else ""
    reader._lists = reader._with = False
    reader._verb = ""


def _close(reader: Reader, index: int) -> None:
    if reader._stack:
        reader._lists, reader._verb, query = reader._stack.pop()
        if query is not None:
            if reader._body:
                reader._names.add(reader._body)
            reader._with, reader._body = query
        if reader._with:
            reader._fresh = index + 1


def _with(reader: Reader, index: int) -> None:
    reader._with = True
    if reader._word(index + 1) == "RECURSIVE":
        reader._is_recursive = True
        reader.recursions += 1


def _as(reader: Reader, index: int) -> None:
    if reader._with:
        opening = index + 1
        while reader._word(opening) in ("NOT", "MATERIALIZED"):
            opening += 1
        defined = _defined_name(reader, index - 1)
        if defined and reader._word(opening) == "(":
            name = _unquoted(defined).upper()
            reader.ctes += 1
            reader._cte = (opening, name)
            if reader._is_recursive:
                reader._names.add(name)
    elif reader._verb == "CREATE":
        reader._fresh = index + 1
        following = reader._handlers[index + 1] if index + 1 < len(reader._words) else None
        if following is _select or following is _with:
            reader._is_muted = False


def _defined_name(reader: Reader, index: int) -> str:
    words = reader._words
    if index >= 0 and words[index] == ")":
        while index > 0 and words[index] != "(":
            index -= 1
        index -= 1
    return words[index] if index >= 0 else ""


def _set_operation(reader: Reader, index: int) -> None:
    following = reader._word(index + 1)
    if (
        reader._word(index) == "UNION"
        or following in ("ALL", "SELECT", "DISTINCT", "TABLE", "VALUES", "CORRESPONDING")
        or (following == "(" and reader._word(index + 2) in ("SELECT", "(", "WITH"))
    ):
        reader.set_operations += 1
        reader._lists = False
        if reader._body:
            reader._names.add(reader._body)


def _insert(reader: Reader, index: int) -> None:
    into = reader._word(index + 1) == "INTO"
    if not (reader._may_start(index) or into) or (reader._is_muted and not reader._is_routine):
        return
    reader._operate(reader._words[index], reader._word(index))
    reader._with = False
    if reader._word(index) != "INSERT":
        reader.is_upsert = True
    position = index + 1
    while (word := reader._word(position)) in keywords.TARGET_PREFIXES or word in _INSERT_PREFIXES:
        if word == "REPLACE":
            reader.is_upsert = True
        position += 1
    reader._next = position
    if word == "OVERWRITE":
        reader._target(position + 1 + (reader._word(position + 1) in ("TABLE", "INTO")), may_call=False)
    elif word != "INTO" and reader._word(position + 1) in _AFTER_INSERTED:
        reader._target(position, may_call=False)


def _into(reader: Reader, index: int) -> None:
    if reader._verb not in _FILLED or (reader._is_muted and not reader._is_routine):
        return
    following = reader._word(index + 1)
    if following in ("OUTFILE", "DUMPFILE"):
        return
    position = index + 1
    if following in ("TABLE", "ONLY") and reader._is_name(index + 2) and reader._handlers[index + 2] is None:
        position += 1
    reader._target(position, may_call=False)


def _update(reader: Reader, index: int) -> None:
    if not reader._may_start(index) or (reader._is_muted and not reader._is_routine):
        return
    text = reader._words[index]
    position = index + 1
    if reader._word(position) == "STATISTICS" and reader._is_name(position + 1) and reader._word(position + 1) != "SET":
        reader._operate(f"{text} {reader._words[position]}", "UTILITY")
        reader._target(position + 1, may_call=False)
        return
    reader._operate(text, "UPDATE")
    reader._with = False
    if reader._word(position) == "OR":
        position += 2
    position = _after_top(reader, position)
    reader._lists = True
    reader._target(position, may_call=False)


def _after_top(reader: Reader, position: int) -> int:
    if reader._word(position) != "TOP":
        return position
    while position < len(reader._words) and reader._words[position] not in (")", ";"):
        position += 1
    return position + 1


def _delete(reader: Reader, index: int) -> None:
    following = reader._word(index + 1)
    if not (reader._may_start(index) or following == "FROM") or (reader._is_muted and not reader._is_routine):
        return
    reader._operate(reader._words[index], "DELETE")
    reader._with = False
    if following != "FROM" and reader._word(index + 2) not in (",", "FROM"):
        reader._target(index + 1, may_call=False)


def _merge(reader: Reader, index: int) -> None:
    into = reader._word(index + 1) == "INTO"
    if not (reader._may_start(index) or into) or (reader._is_muted and not reader._is_routine):
        return
    reader._operate(reader._words[index], "MERGE")
    reader._with = False
    if not into:
        reader._target(_after_top(reader, index + 1), may_call=False)


def _using(reader: Reader, index: int) -> None:
    if reader._verb in ("DELETE", "MERGE") and reader._word(index + 1) != "(":
        reader._lists = True
        reader._target(index + 1)


def _values(reader: Reader, index: int) -> None:
    reader._lists = False
    if not reader._stack and reader._may_start(index):
        reader._operate(reader._words[index], "VALUES")


def _table(reader: Reader, index: int) -> None:
    if index == reader._fresh and reader._is_name(index + 1) and not reader._is_muted:
        reader._operate(reader._words[index], "SELECT")
        reader._target(index + 1)


def _define(reader: Reader, index: int) -> None:
    if not reader._may_start(index) or reader._is_muted:
        return
    kind_index = next(
        (at for at in range(index + 1, min(index + 9, len(reader._words))) if reader._word(at) in _OBJECTS),
        -1,
    )
    verb = "CREATE" if reader._word(index) in ("CREATE", "ALTER") else "DROP"
    if kind_index < 0:
        reader._operate(reader._words[index], verb)
        if reader._word(index) == "TRUNCATE":
            reader._lists = True
            reader._target(index + 1, may_call=False)
        return
    kind = reader._word(kind_index)
    reader._operate(f"{reader._words[index]} {reader._words[kind_index]}", verb)
    position = kind_index + 1
    while reader._word(position) in keywords.NAME_PREFIXES and position + 1 < len(reader._words):
        position += 1
    reader._next = position
    if kind in keywords.UNNAMED_OBJECTS or reader._word(position) == "ON":
        return
    is_table = kind in keywords.TABLES
    if is_table and verb == "DROP":
        reader._lists = True
    position = reader._target(position, is_table, may_call=False)
    if kind in keywords.ROUTINES:
        reader._is_routine = reader._is_muted = True
    elif kind == "INDEX" and reader._word(position) == "ON":
        _index_table(reader, position + 1)


def _index_table(reader: Reader, position: int) -> None:
    was_muted, reader._is_muted = reader._is_muted, True
    reader._target(position, may_call=False)
    reader._is_muted = was_muted


def _call(reader: Reader, index: int) -> None:
    if not reader._may_start(index) or (reader._is_muted and not reader._is_routine):
        return
    reader._operate(reader._words[index], "CALL")
    position = index + 1
    while reader._word(position) in keywords.CALL_PREFIXES or reader._word(position)[:1] in (":", "@", "="):
        position += 1
    reader._target(position, is_table=False)


def _transaction(reader: Reader, index: int) -> None:
    if reader._is_routine:
        reader._fresh = index + 1
        return
    if not reader._may_start(index) or reader._is_muted:
        return
    text = reader._words[index]
    if reader._word(index + 1) in keywords.TRANSACTION_WORDS:
        text = f"{text} {reader._words[index + 1]}"
    reader._operate(text, "TRANSACTION")
    reader._is_open = reader._word(index) == "BEGIN"


def _set(reader: Reader, index: int) -> None:
    if reader._is_open and not reader._is_muted and not reader._stack:
        reader._operate(reader._words[index], "UTILITY")
        reader._is_open = True
    else:
        reader._lists = False


def _explain(reader: Reader, index: int) -> None:
    if reader._may_start(index) and not reader._is_muted:
        reader._operate(reader._words[index], "UTILITY")
        reader._is_open = True
        position = index + 1
        if reader._word(position) == "(":
            position = reader._words.index(")", position) + 1 if ")" in reader._words[position:] else position
        while reader._word(position) in ("ANALYZE", "VERBOSE", "EXTENDED", "QUERY", "PLAN", "FORMAT"):
            position += 1
        reader._next = position


def _utility(reader: Reader, index: int) -> None:
    if reader._may_start(index) and not reader._is_muted:
        reader._operate(reader._words[index], "UTILITY")
    else:
        reader._lists = False


def _use(reader: Reader, index: int) -> None:
    if not reader._may_start(index) or reader._is_muted:
        return
    text, position = reader._words[index], index + 1
    if reader._word(position) in _OBJECTS and reader._is_name(position + 1):
        text = f"{text} {reader._words[position]}"
        position += 1
    reader._operate(text, "UTILITY")
    reader._target(position, is_table=False)
    reader._is_open = True


def _lock(reader: Reader, index: int) -> None:
    if not reader._may_start(index) or reader._is_muted:
        return
    text, position = reader._words[index], index + 1
    if reader._word(position) in keywords.TABLES:
        text = f"{text} {reader._words[position]}"
        position += 1
    reader._operate(text, "UTILITY")
    reader._lists = True
    reader._target(position, may_call=False)


def _toggle(reader: Reader, index: int) -> None:
    if reader._may_start(index) and reader._word(index + 1) == "TRIGGER":
        reader._operate(f"{reader._words[index]} {reader._words[index + 1]}", "DROP")
        reader._target(index + 2, is_table=False)
        reader._is_muted = True


def _copy(reader: Reader, index: int) -> None:
    if not reader._may_start(index) or reader._is_muted:
        return
    text, position = reader._words[index], index + 1
    if reader._word(position) in ("DATA", "XML", "INSERT"):
        text = f"{text} {reader._words[position]}"
        position += 1
    reader._operate(text, "COPY")
    reader._next = position
    if reader._word(index) != "LOAD" and reader._word(position) not in ("INTO", "("):
        reader._target(position, may_call=False)


def _grant(reader: Reader, index: int) -> None:
    if reader._may_start(index) and not reader._is_muted:
        reader._operate(reader._words[index], "UTILITY")
        reader._is_muted = True


def _semicolon(reader: Reader, index: int) -> None:
    if reader._is_routine:
        reader._lists = False
        reader._fresh = index + 1
        return
    reader._begin_statement(index + 1)


def _over(reader: Reader, index: int) -> None:
    if reader._word(index + 1) == "(" or reader._word(index - 1) == ")":
        reader.windows += 1


def _aggregate(reader: Reader, index: int) -> None:
    if reader._word(index + 1) == "(":
        reader.aggregates += 1


def _distinct(reader: Reader, index: int) -> None:
    if reader._word(index - 1) == "SELECT":
        reader.distincts += 1


def _existing_rows(reader: Reader, index: int) -> None:
    if reader._verb == "INSERT" and reader._word(index - 1) == "ON":
        reader.is_upsert = True


_INSERT_PREFIXES = frozenset({"OR", "REPLACE", "ROLLBACK", "ABORT", "FAIL", "ALL", "FIRST"})
_AFTER_INSERTED = frozenset({"(", "VALUES", "VALUE", "SET", "SELECT", "DEFAULT", "WITH"})
_OBJECTS = keywords.NAMED_OBJECTS | keywords.ROUTINES | keywords.UNNAMED_OBJECTS

_HANDLERS: dict[str, _Handler] = {
    **dict.fromkeys(keywords.TARGET_PREFIXES, _prefix),
    **dict.fromkeys(keywords.CLAUSE_ENDS, _clause_end),
    **dict.fromkeys(keywords.SOFT_CLAUSE_ENDS, _soft_clause_end),
    **dict.fromkeys(keywords.UTILITIES, _utility),
    **dict.fromkeys(keywords.TRANSACTIONS, _transaction),
    **dict.fromkeys(keywords.AGGREGATES, _aggregate),
    **dict.fromkeys(("CREATE", "ALTER", "DROP", "TRUNCATE", "RENAME", "UNDROP"), _define),
    **dict.fromkeys(("CALL", "EXEC", "EXECUTE"), _call),
    **dict.fromkeys(("INSERT", "REPLACE", "UPSERT"), _insert),
    **dict.fromkeys(("GRANT", "REVOKE", "DENY"), _grant),
    **dict.fromkeys(("EXPLAIN", "DESCRIBE", "DESC"), _explain),
    **dict.fromkeys(("COPY", "LOAD", "BULK", "UNLOAD"), _copy),
    **dict.fromkeys(("UNION", "INTERSECT", "EXCEPT", "MINUS"), _set_operation),
    **dict.fromkeys(("JOIN", "STRAIGHT_JOIN"), _join),
    **dict.fromkeys(("CONFLICT", "DUPLICATE"), _existing_rows),
    **dict.fromkeys(("ENABLE", "DISABLE"), _toggle),
    "(": _open,
    ")": _close,
    ",": _comma,
    ";": _semicolon,
    "APPLY": _apply,
    "AS": _as,
    "BEGIN": _transaction,
    "DELETE": _delete,
    "DISTINCT": _distinct,
    "FROM": _from,
    "GROUP": _group,
    "INTO": _into,
    "LOCK": _lock,
    "MERGE": _merge,
    "OVER": _over,
    "SELECT": _select,
    "SET": _set,
    "TABLE": _table,
    "UPDATE": _update,
    "USE": _use,
    "USING": _using,
    "VALUES": _values,
    "WITH": _with,
}


class _Vocabulary(dict[str, "_Handler | None"]):
    """The handler of a word as written; statements are made of few different words."""

    def __missing__(self, word: str) -> _Handler | None:
        handler = _HANDLERS.get(word.upper())
        if len(word) <= _LONGEST_KNOWN_WORD and len(self) < _MAX_KNOWN_WORDS:
            self[word] = handler
        return handler


_HANDLER_OF = _Vocabulary()
_QUERY_STARTS = frozenset({_select, _with, _values})
# Words that are reserved everywhere: no table is called so.
_NO_NAMES = frozenset(
    {_select, _from, _join, _clause_end, _group, _set_operation, _set, _values, _into, _using, _as, _over, _with}
)


def summary_of(statements: list[list[str]]) -> str:
    """Operations and targets, statements joined by ``; ``, cut before the name that would pass the limit."""
    if len(statements) == 1:
        summary = " ".join(statements[0])
        if len(summary) <= MAX_SUMMARY:
            return summary
    summary = ""
    for parts in statements:
        separator = "; " if summary else ""
        for part in parts:
            if len(summary) + len(separator) + len(part) > MAX_SUMMARY:
                return summary
            summary = f"{summary}{separator}{part}"
            separator = " "
    return summary
