"""Says in plain words what is wrong with a statement about which something was found, where its text proves it.

Nothing is guessed: what depends on data, indexes or bound values is left to whoever reads it. No value is ever said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from otel_dbmon_processors.analysis import Analysis, analyze
from otel_dbmon_processors.dialects import dialect_for
from otel_dbmon_processors.finding import DUPLICATE_QUERY, SLOW_QUERY, Advice
from otel_dbmon_processors.lexer import lexer_for
from otel_dbmon_processors.location import REFRESH, RELATIONSHIP

#: What advice may be about, most telling first.
TOPICS = (
    *("relationship", "refresh", "in_list", "one_by_one", "same_answer"),
    *("cartesian_join", "missing_where", "leading_wildcard", "function_on_column", "offset", "select_star"),
)
_LONGEST = 65_536
_MAX_REMEMBERED = 512

_OPERATORS = frozenset("=<>!")
_COMPARES = frozenset({"LIKE", "ILIKE", "BETWEEN", "IN"})
_CLAUSES = frozenset(
    {
        "GROUP", "ORDER", "HAVING", "LIMIT", "OFFSET", "FETCH", "WINDOW", "UNION", "INTERSECT", "EXCEPT", "FOR",
        "RETURNING",
    }
)  # fmt: skip
_LIMITS = frozenset({"LIMIT", "TOP", "FETCH", "QUALIFY", "TABLESAMPLE", "SAMPLE", "ROWNUM"})
_NO_COLUMNS = frozenset(
    {
        "NULL", "TRUE", "FALSE", "DISTINCT", "SELECT", "CURRENT_DATE", "CURRENT_TIMESTAMP", "CURRENT_TIME", "CASE",
        "INTERVAL",
    }
)  # fmt: skip
_NO_FUNCTIONS = frozenset(
    {
        "AND", "OR", "NOT", "IN", "EXISTS", "ANY", "ALL", "SOME", "VALUES", "ROW", "WHERE", "ON", "CASE", "WHEN",
        "THEN", "ELSE",
    }
)  # fmt: skip
_OTHER_JOINS = frozenset({"CROSS", "NATURAL", "USING", "LATERAL", "APPLY"})
_LOGIC = frozenset({"AND", "OR", "NOT", "IS", "NULL", "ON", "WHERE"})
#: Systems whose OFFSET may be written by a library although nothing is skipped.
_ALWAYS_OFFSET = frozenset({"sqlite", "microsoft.sql_server"})
_LITERAL_OFFSET = re.compile(r"\boffset\s+\d", re.IGNORECASE)
_SKIPS = re.compile(r"\boffset\s+0*[1-9]", re.IGNORECASE)
_TOKENS = re.compile(r"--[^\n]*|/\*.*?\*/|\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'", re.DOTALL)
_AFTER_LIKE = re.compile(r"(?<!not)\s(?:i?like)\s*(?:\(\s*|concat\s*\(\s*|[ne])?$", re.IGNORECASE)


class Adviser:
    """Gives advice and remembers what texts say. Thread safe."""

    def __init__(self) -> None:
        self._known: dict[Analysis, tuple[Advice, ...]] = {}

    def advise(
        self,
        kind: str,
        analysis: Analysis,
        statement: str,
        system: str,
        *,
        repeats: int = 1,
        source: Analysis | None = None,
        loading: str = "",
    ) -> tuple[Advice, ...]:
        """What is to be said of a finding.

        Args:
            kind: The finding's kind.
            analysis: What the statement says.
            statement: The statement as it was sent.
            system: ``db.system.name``.
            repeats: How often it ran.
            source: The query before the repeats.
            loading: By which way the application's objects sent it, see ``location.Caller``.
        """
        found = [] if kind == SLOW_QUERY else [_of_repeats(kind, analysis, repeats, source, loading)]
        if len(statement) <= _LONGEST:
            skips = _SKIPS.search(statement) is not None or (
                system not in _ALWAYS_OFFSET and _LITERAL_OFFSET.search(statement) is None
            )
            said = self._of_text(analysis, statement, system)
            found += [advice for advice in said if skips or advice.topic != "offset"]
            if " LIKE " in analysis.sanitized.upper() or " ILIKE " in analysis.sanitized.upper():
                found += _leading_wildcard(statement)
        return tuple(sorted(found, key=lambda advice: TOPICS.index(advice.topic)))

    def _of_text(self, analysis: Analysis, statement: str, system: str) -> tuple[Advice, ...]:
        known = self._known.get(analysis)
        if known is None:
            known = tuple(_Text(statement, system).advice())
            if len(self._known) >= _MAX_REMEMBERED:
                self._known.clear()
            self._known[analysis] = known
        return known


def _of_repeats(kind: str, analysis: Analysis, repeats: int, source: Analysis | None, loading: str) -> Advice:
    table, rows = analysis.table or "the same rows", (source.table if source is not None else "") or "the query before"
    many = "Each one is a round trip to the database, and there are more of them the more rows there are."
    if kind == DUPLICATE_QUERY:
        return Advice(
            "same_answer",
            f"The same query of {table} ran {repeats} times with the same values.",
            "All but the first one ask for what is already known.",
            "Keep the answer for the rest of the request.",
        )
    if loading == REFRESH:
        return Advice(
            "refresh",
            f"SQLAlchemy read {table} again {repeats} times, object by object, because a commit had expired them.",
            many,
            "Make the session with expire_on_commit=False, or read what is needed before the commit.",
        )
    if loading == RELATIONSHIP:
        return Advice(
            "relationship",
            f"A SQLAlchemy relationship read {table} {repeats} times, one object of {rows} after the other.",
            many,
            "Load it together with the first query: options(selectinload(..)) for a collection, joinedload(..) for one "
            "object; raiseload(..) shows the next one early.",
        )
    column = _looked_up(analysis.sanitized)
    seen = f"{table} was queried {repeats} times, one row of {rows} after the other."
    if column:
        return Advice("in_list", seen, many, f"Collect the keys and ask once: WHERE {column} IN (..), or join the two.")
    return Advice("one_by_one", seen, many, "Ask once for all rows: a join, or one query for all keys.")


_EQUALITY = re.compile(r"\bWHERE ((?:[\w$]+\.)*[\w$]+) ?= ?(?:\?|[$:@]\w+|%s|%\(\w+\)s)(?! ?[-+*/|:])", re.IGNORECASE)


def _looked_up(sanitized: str) -> str:
    """The column that one key is looked up in, "" if the text does not prove that."""
    found = _EQUALITY.search(sanitized)
    return found[1] if found is not None else ""


def _leading_wildcard(statement: str) -> Iterator[Advice]:
    if "\\" in statement or "$$" in statement or "`" in statement:
        # How strings are read here depends on what only the database knows.
        return
    for token in _TOKENS.finditer(statement):
        text = token[0]
        if text[0] == "'" and text[1] == "%" and _AFTER_LIKE.search(statement[: token.start()][-40:]) is not None:
            yield Advice(
                "leading_wildcard",
                "A LIKE looks for a pattern that begins with %.",
                "No ordinary index helps with that: every row is read and compared.",
                "Anchor the pattern at its beginning, or use an index made for it: full text, trigrams.",
            )
            return


class _Text:
    """The words of one sanitized statement, with how deep in brackets each one is."""

    def __init__(self, statement: str, system: str) -> None:
        # What left was cut where it was long; what is missing must not be taken for missing.
        whole = analyze(statement, system)
        self._tables = whole.collections
        self._words = lexer_for(dialect_for(system)).words(whole.sanitized)
        while self._words and self._words[-1] == ";":
            self._words.pop()
        self._upper = [word.upper() for word in self._words]
        self._depths: list[int] = []
        depth = 0
        for word in self._words:
            depth -= word == ")"
            self._depths.append(depth)
            depth += word == "("

    def advice(self) -> Iterator[Advice]:
        """All that the text proves."""
        if not self._tables or ";" in self._words or self._upper[0] not in ("SELECT", "UPDATE", "DELETE"):
            return
        if self._is_cartesian():
            yield Advice(
                "cartesian_join",
                f"It reads {' and '.join(self._tables[:3])} side by side, and no condition ties one to the other.",
                "Every row of one is combined with every row of the other.",
                "Join them ON the columns that belong together.",
            )
        if self._has_no_where():
            yield self._missing_where()
        wrapped = self._wrapped_column()
        if wrapped:
            yield Advice(
                "function_on_column",
                f"The condition compares {wrapped}, not the column itself.",
                "An ordinary index of the column is of no use for that.",
                "Compare the bare column (with a range, say), or make an index of the expression.",
            )
        if self._pages_by_offset():
            yield Advice(
                "offset",
                "It pages by OFFSET.",
                "The database reads all the rows before the page and throws them away; late pages are slow ones.",
                "Go on from the last row seen: WHERE key > .. ORDER BY key LIMIT ..",
            )
        if self._selects_everything():
            yield Advice(
                "select_star",
                "It selects every column (SELECT *).",
                "Columns that nobody needs are read and sent, and an index that holds the needed ones is not enough.",
                "Name the columns that are used.",
            )

    def _missing_where(self) -> Advice:
        verb = self._upper[0]
        if verb == "SELECT":
            return Advice(
                "missing_where",
                f"It has neither WHERE nor LIMIT: all of {' and '.join(self._tables[:3])} is read.",
                "It takes longer the more rows there are.",
                "Ask only for the rows that are needed, page by page if need be.",
            )
        return Advice(
            "missing_where",
            f"This {verb} has no WHERE: it is about every row of {self._tables[0]}.",
            "It locks them all, and takes longer the more there are.",
            "Say which rows are meant, or work in batches.",
        )

    def _top(self) -> list[str]:
        """The words outside of all brackets."""
        return [word for word, depth in zip(self._upper, self._depths, strict=True) if depth == 0]

    def _has_no_where(self) -> bool:
        if _LIMITS.intersection(self._upper):
            return False
        if self._upper[0] != "SELECT":
            top = self._top()
            return not {"WHERE", "JOIN", "USING", "FROM"}.intersection(top[3 if top[0] == "DELETE" else 0 :])
        if "WHERE" in self._upper or "INTO" in self._upper or "FROM" not in self._upper:
            return False
        # What stands after FROM may be a condition of a join, or a function.
        following = self._upper[self._upper.index("FROM") :]
        return not any(_is_placeholder(word) for word in following) and "(" not in self._list_of_tables()

    def _list_of_tables(self) -> list[str]:
        """The words between the outermost FROM and the end of its list."""
        start = next((i for i, word in enumerate(self._upper) if word == "FROM" and self._depths[i] == 0), -1)
        if start < 0:
            return []
        words = self._upper[start + 1 :]
        end = next((i for i, word in enumerate(words) if word in _CLAUSES or word == "WHERE"), len(words))
        return words[:end]

    def _wrapped_column(self) -> str:
        """A function call or a cast around one column that is compared, as written."""
        start = next((i for i, word in enumerate(self._upper) if word == "WHERE"), len(self._upper))
        for index in range(start, len(self._upper) - 1):
            if self._upper[index] in _CLAUSES:
                return ""
            if self._words[index].startswith("::") and self._is_column(index - 1) and self._compares(index + 1):
                return f"{self._words[index - 1]}{self._words[index]}"
            if not self._is_function(index) or not self._is_column(index + 2):
                continue
            end = index + 3
            while end < len(self._words) and (
                self._words[end] == "," or _is_placeholder(self._words[end]) or "AS" in self._upper[end - 1 : end + 1]
            ):
                end += 1
            if end < len(self._words) and self._words[end] == ")" and self._compares(end + 1):
                return f"{self._words[index]}({self._words[index + 2]})"
        return ""

    def _is_function(self, index: int) -> bool:
        return (
            self._words[index].isidentifier()
            and self._upper[index] not in _NO_FUNCTIONS
            and index + 2 < len(self._words)
            and self._words[index + 1] == "("
        )

    def _is_column(self, index: int) -> bool:
        word = self._words[index]
        return (
            (word[0].isalpha() or word[0] in '_"`[')
            and not _is_placeholder(word)
            and self._upper[index] not in _NO_COLUMNS
            and self._words[index + 1 : index + 2] != ["("]
        )

    def _compares(self, index: int) -> bool:
        if index >= len(self._upper):
            return False
        word = self._upper[index]
        return word in _OPERATORS or word in _COMPARES

    def _pages_by_offset(self) -> bool:
        top = self._top()
        return any(word == "OFFSET" and _is_placeholder(after) for word, after in pairwise(top))

    def _selects_everything(self) -> bool:
        if self._upper[0] != "SELECT" or "(" in self._list_of_tables()[:1]:
            return False
        index = 1
        while self._upper[index] in ("DISTINCT", "ALL", "SQL_CALC_FOUND_ROWS") and index + 1 < len(self._upper):
            index += 1
        for word, depth in zip(self._upper[index:], self._depths[index:], strict=True):
            if word == "FROM" and depth == 0:
                return False
            if word == "*" and depth == 0 and self._is_star(index):
                return True
            index += 1
        return False

    def _is_star(self, index: int) -> bool:
        before, after = self._upper[index - 1], self._upper[index + 1 : index + 2]
        is_item = before.endswith(".") or before in (",", "SELECT", "DISTINCT", "ALL", "SQL_CALC_FOUND_ROWS")
        return is_item and after in ([","], ["FROM"])

    def _is_cartesian(self) -> bool:
        """Whether several tables are read and all conditions compare one column with a value."""
        tables = self._list_of_tables()
        if self._upper[0] != "SELECT" or not tables or "(" in tables:
            return False
        if {"CROSS", "NATURAL", "USING", "LATERAL", "APPLY"}.intersection(self._upper) or self._upper.count(
            "SELECT"
        ) > 1:
            return False
        if tables.count(",") + tables.count("JOIN") + tables.count("STRAIGHT_JOIN") < 1:
            return False
        start = self._upper.index("FROM")
        end = next((i for i in range(start, len(self._upper)) if self._upper[i] in _CLAUSES), len(self._upper))
        conditions = [i for i in range(start, end) if self._upper[i] in ("WHERE", "ON")]
        return all(self._only_values(i + 1, end) for i in conditions)

    def _only_values(self, index: int, end: int) -> bool:
        """Whether the condition that starts here compares nothing with another column."""
        while index < end:
            word = self._upper[index]
            if word in ("JOIN", "INNER", "LEFT", "RIGHT", "FULL", "WHERE") or (word == "," and not self._depths[index]):
                return True
            if word == ",":
                return False
            if word in _OPERATORS:
                first = index
                while index < end and self._upper[index] in _OPERATORS:
                    index += 1
                sides = [self._words[first - 1], self._words[index] if index < end else ""]
                if sum(_is_placeholder(side) for side in sides) != 1 or ")" in sides or "(" in sides:
                    return False
            elif word in _COMPARES:
                if not any(_is_placeholder(side) for side in self._words[index + 1 : index + 3]):
                    return False
            elif word not in _LOGIC and word not in "()" and not self._is_plain(index):
                return False
            index += 1
        return True

    def _is_plain(self, index: int) -> bool:
        return _is_placeholder(self._words[index]) or (self._is_column(index) and not self._is_function(index))


def _is_placeholder(word: str) -> bool:
    return word in ("?", "%s") or (len(word) > 1 and word[0] in "$:@%" and not word.startswith("::"))
