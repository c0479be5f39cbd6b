"""Known wordings of databases and drivers: in them, and only in them, a name or a number stays as it is.

Every other message goes word by word through ``words``, so a wording belongs here only if it holds something worth
keeping. A new wording is a new line of ``_SHAPES``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import chain

#: Holes that keep what fills them, as patterns of bounded length without an ambiguity to backtrack into.
_NAME = r"[A-Za-z_][A-Za-z0-9_$]{0,62}"
_QUALIFIED = rf"{_NAME}(?:\.{_NAME}){{0,3}}"
_KEPT = {
    "name": _QUALIFIED,
    "names": rf"{_QUALIFIED}(?:, {_QUALIFIED}){{0,31}}",
    "quoted": rf'"{_NAME}"(?:\."{_NAME}"){{0,3}}',
    "ticked": rf"`{_NAME}`(?:\.`{_NAME}`){{0,3}}",
    "tickeds": rf"`{_NAME}`(?:, `{_NAME}`){{0,15}}",
    "number": r"[0-9]{1,9}(?:\.[0-9]{1,3})?",
    "host": r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,252}",
    "socket": r"/[A-Za-z0-9_./-]{0,107}",
    "object": r"(?:table|view|materialized view|sequence|schema|function|procedure|type|index|relation|foreign table)",
    "builtin": r"(?:NoneType|bool|bytes|coroutine|dict|float|frozenset|function|generator|int|list|method|module|set"
    r"|str|tuple|type)",
    "sqltype": r"(?:TEXT|INT|INTEGER|REAL|BLOB|NULL|NUMERIC|ANY)",
    "verb": r"(?:INSERT|UPDATE|DELETE|MERGE|SELECT)",
    "constraint": r"(?:UNIQUE KEY|PRIMARY KEY|FOREIGN KEY|REFERENCE|CHECK|SAME TABLE REFERENCE|COLUMN FOREIGN KEY"
    r"|COLUMN REFERENCE|COLUMN CHECK)",
}

#: ``<value>`` is masked, ``<rest>`` is a message of its own. Names that the server found are kept: constraints, and the
#: tables and columns they are on. Of names that it did not find only tables' are, in lines that start with ``!`` and
#: only of an exception that is known to be a database's, because a program may use the same words: no value is pasted
#: where a table stands, while ``column "bob" does not exist`` is what a pasted value gives, so columns, functions,
#: users, databases and settings that were not found are masked. (Text cast to ``regclass`` is a table's name as well.)
_SHAPES = r"""
duplicate key value violates unique constraint "<name>"
conflicting key value violates exclusion constraint "<name>"
null value in column "<name>" violates not-null constraint
null value in column "<name>" of relation "<name>" violates not-null constraint
insert or update on table "<name>" violates foreign key constraint "<name>"
update or delete on table "<name>" violates foreign key constraint "<name>" on table "<name>"
update or delete on table "<name>" violates RESTRICT setting of foreign key constraint "<name>" on table "<name>"
new row for relation "<name>" violates check constraint "<name>"
new row for relation "<name>" violates partition constraint
new row violates row-level security policy for table "<name>"
new row violates row-level security policy "<name>" for table "<name>"
new row violates row-level security policy (USING expression) for table "<name>"
new row violates check option for view "<name>"
no partition of relation "<name>" found for row
cannot insert a non-DEFAULT value into column "<name>"
could not obtain lock on row in relation "<name>"
could not obtain lock on relation "<name>"
value too long for type character varying(<number>)
value too long for type character(<number>)
value for domain <name> violates check constraint "<name>"
!domain <name> does not allow null values
!permission denied for <object> <name>
!must be owner of <object> <name>
!relation "<name>" does not exist
connection failed: <rest>
connection to server at "<host>", port <number> failed: <rest>
connection to server at "<host>" (<host>), port <number> failed: <rest>
connection to server on socket "<socket>" failed: <rest>
couldn't get a connection after <number> sec
QueuePool limit of size <number> overflow <number> reached, connection timed out, timeout <number>
This Session's transaction has been rolled back due to a previous exception during flush. To begin a new transaction with this Session, first issue Session.rollback(). Original exception was: <rest>
UNIQUE constraint failed: <names>
UNIQUE constraint failed: index '<name>'
NOT NULL constraint failed: <names>
CHECK constraint failed: <name>
cannot store <sqltype> value in <sqltype> column <name>
table <name> has <number> columns but <number> values were supplied
table <name> has no column named <value>
!no such table: <name>
Duplicate entry <value> for key '<name>'
Column '<name>' cannot be null
Column '<name>' in <value> is ambiguous
Field '<name>' doesn't have a default value
Data too long for column '<name>' at row <number>
Data truncated for column '<name>' at row <number>
Out of range value for column '<name>' at row <number>
Incorrect <value> for column '<name>' at row <number>
Incorrect <value> for column <ticked> at row <number>
Check constraint '<name>' is violated
CONSTRAINT <ticked> failed for <ticked>
Cannot add or update a child row: a foreign key constraint fails (<ticked>, CONSTRAINT <ticked> FOREIGN KEY (<tickeds>) REFERENCES <ticked> (<tickeds>)<value>
Cannot delete or update a parent row: a foreign key constraint fails (<ticked>, CONSTRAINT <ticked> FOREIGN KEY (<tickeds>) REFERENCES <ticked> (<tickeds>)<value>
The table '<name>' is full
!Table '<name>' doesn't exist
!Unknown table '<name>'
Violation of <constraint> constraint '<name>'. Cannot insert duplicate key in object '<name>'. <value>
Cannot insert duplicate key row in object '<name>' with unique index '<name>'. <value>
Cannot insert the value NULL into column '<name>', table '<name>'; column does not allow nulls. <rest>
The <verb> statement conflicted with the <constraint> constraint "<name>". <value>
!Invalid object name '<name>'. <value>
unique constraint (<name>) violated
unique constraint (<name>) violated on <value>
integrity constraint (<name>) violated - <rest>
check constraint (<name>) violated
cannot insert NULL into (<quoted>)
cannot update (<quoted>) to NULL
value too large for column <quoted> (actual: <number>, maximum: <number>)
'<builtin>' object has no attribute <value>
'<builtin>' object is not callable
'<builtin>' object is not iterable
'<builtin>' object is not subscriptable
"""  # noqa: E501  one wording is one line

_hole = re.compile(r"<([a-z]+)>").split


class _Shape:
    """One wording: the words in it, the holes between them, and when it may be trusted."""

    __slots__ = ("_match", "database_only", "holes", "whole_only", "words")

    def __init__(self, line: str) -> None:
        parts = _hole(line.removeprefix("!"))
        self.words, self.holes = parts[::2], parts[1::2]
        self.database_only = line.startswith("!")
        # A name behind a value could be the value's own, if the text was cut off there: see `known_wording`.
        behind = self.holes[self.holes.index("value") :] if "value" in self.holes else []
        self.whole_only = any(hole in _KEPT for hole in behind)
        self._match: Callable[[str], re.Match[str] | None] | None = None

    def match(self, line: str) -> re.Match[str] | None:
        # Compiled when a line first starts like it: a service that has no such errors does not pay for them.
        if not line.startswith(self.words[0]):
            return None
        if self._match is None:
            holes = [f"({_KEPT.get(hole, '.*')})" for hole in self.holes]
            parts = zip(map(re.escape, self.words), [*holes, r"\.?"], strict=True)
            self._match = re.compile("".join(chain.from_iterable(parts)), re.DOTALL).fullmatch
        return self._match(line)

    def fill(self, found: re.Match[str], rest: Callable[[str], str]) -> str:
        parts = [self.words[0]]
        for hole, value, after in zip(self.holes, found.groups(), self.words[1:], strict=True):
            parts += ("?" if hole == "value" else rest(value) if hole == "rest" else value), after
        return "".join(parts)


_shapes: dict[str, list[_Shape]] = {}  # by first letter
for _line in _SHAPES.strip().splitlines():
    _shapes.setdefault(_line.removeprefix("!")[0], []).append(_Shape(_line))


def known_wording(line: str, *, database: bool, whole: bool, rest: Callable[[str], str]) -> str | None:
    """Give ``line`` with its values masked if it is a known wording, else None.

    Args:
        line: One line of a message, without its class and code.
        database: Whether the exception is known to be a database's own.
        whole: Whether the line is known not to be cut off: a value can imitate the words that follow it, and where the
            real ones are missing, what stands in their place is the value.
        rest: Makes the message within a message safe.
    """
    for shape in _shapes.get(line[:1], ()):
        if (shape.database_only and not database) or (shape.whole_only and not whole):
            continue
        found = shape.match(line)
        if found is not None:
            return shape.fill(found, rest)
    return None
