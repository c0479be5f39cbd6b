"""What a statement is built of comes in; its type, its complexity and a sentence about both go out."""

from __future__ import annotations

from typing import NamedTuple

from otel_dbmon_processors.classify import Reader

QUERY_TYPES = (
    *("select", "join", "aggregate", "subquery", "cte", "union", "window", "insert", "upsert", "update", "delete"),
    *("merge", "ddl", "transaction", "call", "copy", "utility"),
)
LEVELS = ("low", "medium", "high")

#: From which score on a statement is of medium, of high complexity.
MEDIUM, HIGH = 2, 6

_TYPE_OF_VERB = {
    "INSERT": "insert",
    "REPLACE": "upsert",
    "UPSERT": "upsert",
    "UPDATE": "update",
    "DELETE": "delete",
    "MERGE": "merge",
    "CREATE": "ddl",
    "DROP": "ddl",
    "TRANSACTION": "transaction",
    "CALL": "call",
    "COPY": "copy",
    "LOAD": "copy",
    "VALUES": "select",
}
_NOUNS = {
    "select": "SELECT",
    "join": "JOIN operation",
    "aggregate": "aggregation",
    "subquery": "query with subqueries",
    "cte": "query with common table expressions",
    "union": "combination of queries",
    "window": "query with window functions",
    "insert": "INSERT",
    "upsert": "INSERT or update of existing rows",
    "update": "UPDATE",
    "delete": "DELETE",
    "merge": "MERGE",
    "ddl": "schema change",
    "transaction": "transaction control",
    "call": "procedure call",
    "copy": "bulk copy",
    "utility": "utility statement",
}
_ADJECTIVES = {"low": "Simple", "medium": "Complex", "high": "Highly complex"}


class Assessment(NamedTuple):
    """What kind of statement it is, how complex, and both in plain words."""

    query_type: str
    complexity: str
    explanation: str


_ASSESSMENTS = {
    (kind, level): Assessment(kind, level, f"{_ADJECTIVES[level]} {noun} detected")
    for kind, noun in _NOUNS.items()
    for level in LEVELS
}


def assess(reader: Reader) -> Assessment:
    """Type, complexity and explanation of what a reader has read."""
    score = score_of(reader)
    return _ASSESSMENTS[query_type_of(reader), "low" if score < MEDIUM else "medium" if score < HIGH else "high"]


def query_type_of(reader: Reader) -> str:
    """One of ``QUERY_TYPES``: for a query its most telling part, for anything else what its first operation does."""
    verb = reader.first
    if verb != "SELECT":
        return "upsert" if verb == "INSERT" and reader.is_upsert else _TYPE_OF_VERB.get(verb, "utility")
    if reader.ctes:
        return "cte"
    if reader.set_operations:
        return "union"
    if reader.windows:
        return "window"
    if reader.joins:
        return "join"
    if reader.groupings or reader.aggregates:
        return "aggregate"
    return "subquery" if reader.subqueries else "select"


def score_of(reader: Reader) -> int:
    """Points for what makes a statement expensive; processors/README.md has the table."""
    return (
        2 * (reader.joins + reader.subqueries + reader.set_operations + reader.windows + reader.recursions)
        + reader.ctes
        + reader.groupings
        + (1 if reader.aggregates else 0)
        + (1 if reader.distincts else 0)
    )
