"""A source of chance and a database system come in, a statement full of values that must not leave goes out.

Everything a person could have typed holds a mark: ``zq`` in texts, the digit 7 in numbers. Names hold neither, so a
mark in what leaves is a leak, wherever a statement was cut off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

MARKS = ("zq", "7")

SYSTEMS = (
    *("postgresql", "mysql", "sqlite", "mssql", "oracle", "snowflake", "redshift", "bigquery", "spark", "clickhouse"),
    *("cassandra", "h2"),
)
# Around comments, until somebody decides whether to leave them in.
_COMMENT = re.compile("\ue000(.*?)\ue001", re.DOTALL)

_BACKSLASHES = frozenset({"mysql", "snowflake", "bigquery", "spark", "clickhouse"})
_DOUBLE_QUOTED = frozenset({"mysql", "bigquery", "spark"})
_BACKTICKS = frozenset({"mysql", "bigquery", "spark", "clickhouse", "sqlite"})
_BRACKETS = frozenset({"mssql", "sqlite"})
_NESTED = frozenset({"postgresql", "redshift", "mssql"})
_HASHES = frozenset({"mysql", "bigquery", "clickhouse"})
_SLASHES = frozenset({"snowflake", "cassandra"})
_NO_RAW_LINES = frozenset({"bigquery"})

#: What values are made of, besides the mark: whatever means something to a lexer.
_VALUE_PIECES = (
    *(
        "",
        " ",
        "'",
        '"',
        "`",
        "\\",
        "--",
        "-- ",
        "/*",
        "*/",
        "#",
        "//",
        ";",
        ",",
        "(",
        ")",
        "[",
        "]",
        "$$",
        "$a$",
        "?",
        "\n",
    ),
    *(
        "it's",
        'a "b" c',
        "]'",
        "q'[",
        "E'",
        " or 1=1 -- ",
        "\r\n",
        "é",
        "\u2018",
        "\u2019",
        "{}",
        "%s",
        ":x",
        "$1",
        "\\'",
        "''",
        "\t",
    ),
    *(
        " from t where a = ",
        "select",
        " in (1",
        "values (",
        "password ",
        "\u2028",
        "@p",
        "<",
        "..",
        "0x",
        "'; drop table t",
    ),
)
_NUMBERS = (
    *(
        "7",
        "77",
        "7.7",
        ".7",
        "7.",
        "7e7",
        "7.7E-7",
        "7e+7",
        "0x7",
        "0x7F",
        "707070707070",
        "7.70",
        "0.7",
        "-7",
        "+7",
        "- 7",
    ),
    *("-.7", "1.7", "10.07"),
)
_NUMBERS_OF = {
    "postgresql": ("7_7", "0b10 + 7", "0o7", "7::int", "7.7::numeric(7,7)"),
    "mysql": ("0b0 + 7", "7e7", "-7.7"),
    "oracle": ("7f", "7.7d", "7D"),
    "mssql": ("$7", "$7.77", "-$7.7"),
    "clickhouse": ("7_7", "toDate(7)"),
    "spark": ("7L", "7S", "7.7BD"),
    "snowflake": ("7::int",),
}
_TYPED = (
    "DATE '7777-07-07'",
    "TIMESTAMP '7777-07-07 07:07:07.7'",
    "TIME '07:07:07'",
    "INTERVAL '7' DAY",
    "INTERVAL '7-7' YEAR TO MONTH",
    "CAST('7' AS int)",
    "{d '7777-07-07'}",
    "{ts '7777-07-07 07:07:07'}",
    "X'77'",
    "x'7A'",
    "N'zq'",
    "B'1' || '7'",
)
_NAMES = (
    "users",
    "t1",
    "order_items",
    "a",
    "x2",
    "Éte",
    "naïve_col",
    "u",
    "n",
    "e",
    "q",
    "b",
    "x",
    "values_of",
    "t_in",
)
#: The insides of quoted names.
_QUOTED = (
    "a",
    "Order",
    "two words",
    "it's",
    "a--b",
    "a/*b",
    "a;b",
    "(x",
    "a,b",
    "é",
    "from",
    "x?y",
    "#h",
    "a.b",
    "%s",
    "*/",
)
_PARAMETERS_OF = {
    "postgresql": ("$1", "$2", "%s", "%(name)s", ":name"),
    "redshift": ("$1", "%s"),
    "mysql": ("?", "%s", "%(name)s"),
    "sqlite": ("?", "?1", ":name", "@name", "$name"),
    "mssql": ("@p1", "@name", "?"),
    "oracle": (":1", ":name", ":b2"),
    "snowflake": ("?", ":1", "%s"),
}
_SIGNS = ("=", "<>", "<", ">=", "!=", "||", "+", "*", "/")
# No division: a comment may follow, and `//` is one too.
_OPERATORS = ("=", "<>", "<", ">=", "!=", "LIKE", "||", "+", "-", "*")

_RULES: dict[str, tuple[str, ...]] = {
    "statement": (
        *("{query}", "{query}", "{query}", "{query};", "{query} ; {query}"),
        "INSERT INTO {table} ( {column} , {column} ) VALUES ( {value} , {value} )",
        "INSERT INTO {table} VALUES ({value}, {value}), ({value},{value}),({expression} , {value})",
        "insert into {table}({column}) {query}",
        "INSERT INTO {table} VALUES({value},f({value},{value}))",
        "UPDATE {table} SET {column} = {expression} , {column}={value} WHERE {predicate}",
        "DELETE FROM {table} WHERE {predicate}",
        "delete from {table}",
        "MERGE INTO {table} USING {table} ON ({predicate}) WHEN MATCHED THEN UPDATE SET {column} = {value}"
        " WHEN NOT MATCHED THEN INSERT ({column}) VALUES ({value})",
        "WITH c1 AS ({query}) {query}",
        "WITH RECURSIVE c1 ( {name} ) AS ( {query} UNION ALL {query} ) , c2 AS ({query}) {query}",
        "CREATE TABLE {table} ( {column} int DEFAULT {value} , {column} varchar({number}) CHECK ({predicate}) )",
        "CREATE VIEW {table} AS {query}",
        "CREATE TABLE {table} AS {query}",
        "ALTER TABLE {table} ADD COLUMN {name} varchar({number}) DEFAULT {string}",
        "DROP TABLE IF EXISTS {table} , {table}",
        "CALL {name} ( {value} , {value} )",
        "EXEC {name} {value} , @p = {value}",
        "EXPLAIN {query}",
        "BEGIN ; {statement} ; COMMIT",
        "SET {name} = {value}",
        "ALTER USER {name} PASSWORD {string}",
        "ALTER USER {name} WITH PASSWORD {string} VALID UNTIL {string}",
        "ALTER ROLE {name} PASSWORD zqword",
        "CREATE USER {name} IDENTIFIED BY {string}",
        "CREATE USER {name} IDENTIFIED BY zq7word DEFAULT TABLESPACE x",
        "SET PASSWORD FOR {name} = {string}",
        "GRANT ALL ON {table} TO {name} IDENTIFIED BY {string}",
        "CREATE LOGIN {name} WITH PASSWORD = {string}",
    ),
    "query": (
        "SELECT {expression} FROM {table}",
        "SELECT {column} , {value} FROM {table} WHERE {predicate}",
        "select {column},{expression} from {table} where {predicate}",
        "SELECT {expression} AS {name} FROM {table} AS {name} JOIN {table} {name} ON {predicate} WHERE {predicate}",
        "SELECT DISTINCT {column} FROM {table} , {table} {name} WHERE {predicate} ORDER BY {column}"
        " LIMIT {number} OFFSET {number}",
        "SELECT {column} , COUNT(*) FROM {table} GROUP BY {column} HAVING COUNT(*) > {number}",
        "SELECT {column} FROM {table} WHERE {predicate} UNION ALL {query}",
        "SELECT {expression} , ({query}) FROM {table}",
        "SELECT {column} FROM ({query}) {name} WHERE {predicate}",
        "SELECT rank() OVER (PARTITION BY {column} ORDER BY {expression}) FROM {table}",
        "SELECT {value},{value} , {value}",
        "SELECT {value}",
    ),
    "predicate": (
        "{column} = {value}",
        "{column}={value}",
        "{column} {operator} {expression}",
        "{column} IN ({value}, {value},{value})",
        "{column} NOT IN ( {value} )",
        "{column} IN ({query})",
        "EXISTS ({query})",
        "{column} BETWEEN {value} AND {value}",
        "{column} LIKE {string} ESCAPE {string}",
        "{column} IS NULL",
        "({predicate} AND {predicate})",
        "{predicate} OR {predicate}",
        "NOT {predicate}",
        "{column} IS DISTINCT FROM {value}",
        "{value}={column}",
    ),
    "expression": (
        *("{value}", "{value}", "{column}", "{column}", "{column}"),
        "{column}{sign}{value}",
        "{value} {operator} {value}",
        "f({value},{column})",
        "COALESCE( {column} , {value} )",
        "CASE WHEN {predicate} THEN {value} ELSE {expression} END",
        "CASE {column} WHEN {value} THEN({value})END",
        "EXTRACT(YEAR FROM {value})",
        "TRIM(BOTH {string} FROM {string})",
        "SUBSTRING({string} FROM {number} FOR {number})",
        "({expression})",
        "{string}||{string}",
        "-{column}",
        "{column} - {number}",
    ),
}
_RULE = re.compile(r"\{(\w+)\}")
_PIECES = re.compile(r"( |\{\w+\})")


class Statement(NamedTuple):
    """A statement that was made, with its comments and without."""

    text: str
    bare: str


def statement(chance: Random, system: str) -> Statement:
    """Make a statement of one system.

    Args:
        chance: Decides everything.
        system: One of ``SYSTEMS``.
    """
    text = _Grammar(chance, system).statement()
    return Statement(_COMMENT.sub(r"\1", text), _COMMENT.sub(" ", text))


def condition(chance: Random, system: str) -> str:
    """Make a condition of one system, as it stands in a plan: without comments.

    Args:
        chance: Decides everything.
        system: One of ``SYSTEMS``.
    """
    return _COMMENT.sub(" ", _Grammar(chance, system).condition())


class _Grammar:
    def __init__(self, chance: Random, system: str) -> None:
        self._chance = chance
        self._system = system
        self._depth = 0
        self._is_plain = chance.random() < 0.5

    def statement(self) -> str:
        text = self._rule("statement")
        return text + self._comment() if self._chance.random() < 0.1 else text

    def condition(self) -> str:
        return f"({self._rule('predicate')})"

    def _rule(self, name: str) -> str:
        rules = _RULES[name]
        self._depth += 1
        # Deep down only the short ones.
        short = [rule for rule in rules if rule.count("{") < 3 and "{query}" not in rule]
        rule = self._one(rules if self._depth < 6 else short)
        made = "".join([self._gap() if piece == " " else self._piece(piece) for piece in _PIECES.split(rule)])
        self._depth -= 1
        return made

    def _piece(self, piece: str) -> str:
        match = _RULE.fullmatch(piece)
        if match is None:
            return piece
        name = match[1]
        return self._rule(name) if name in _RULES else self._terminals[name](self)

    def _one(self, of: Sequence[str]) -> str:
        return of[self._chance.randrange(len(of))]

    def _gap(self) -> str:
        kind = self._chance.random()
        if self._is_plain or kind < 0.85:
            return " "
        return self._comment() if kind < 0.92 else self._one(("\n", "  ", "\t", "\r\n", " \n "))

    def _comment(self) -> str:
        inside = self._one(
            ("zq", "it's zq7", '"zq', "`zq", "zq -- ", "zq;", "[zq", "$$ zq", "q'[zq", "zq\\", "E'zq", "/ zq #")
        )
        kinds = [f"/* {inside} */", f"/*{inside}*/", f" -- {inside}\n", f"/*! {inside} */", f"/*+ {inside} */"]
        if self._system in _NESTED:
            kinds.append(f"/* a /* {inside} */ zq */")
        if self._system in _HASHES:
            kinds.append(f" # {inside}\n")
        if self._system in _SLASHES:
            kinds.append(f" // {inside}\n")
        return f"\ue000{self._one(kinds)}\ue001"

    def _value(self) -> str:
        kind = self._chance.random()
        if kind < 0.45:
            return self._string()
        if kind < 0.75:
            return self._number()
        if kind < 0.85:
            return self._one(_TYPED)
        if kind < 0.9:
            return self._one(("NULL", "null", "TRUE", "false"))
        return self._one(_PARAMETERS_OF.get(self._system, ("?",)))

    def _number(self) -> str:
        return self._one((*_NUMBERS, *_NUMBERS_OF.get(self._system, ())))

    def _text(self) -> str:
        pieces = [self._one(_VALUE_PIECES), "zq", self._one(_VALUE_PIECES)]
        if self._chance.random() < 0.3:
            pieces += [self._one(_VALUE_PIECES), "zq", self._one(_VALUE_PIECES)]
        return "".join(pieces)

    def _string(self) -> str:
        text = self._text()
        kinds: list[Callable[[str], str]] = [self._single, self._single, self._single]
        if self._system in _DOUBLE_QUOTED:
            kinds.append(self._double)
        kinds += _STRINGS_OF.get(self._system, ())
        return kinds[self._chance.randrange(len(kinds))](text)

    def _single(self, text: str) -> str:
        return self._quoted(text, "'")

    def _double(self, text: str) -> str:
        return self._quoted(text, '"')

    def _quoted(self, text: str, quote: str) -> str:
        if self._system in _BACKSLASHES:
            text = text.replace("\\", "\\\\")
            escaped = f"\\{quote}" if self._system in _NO_RAW_LINES or self._chance.random() < 0.5 else quote * 2
            return quote + text.replace(quote, escaped) + quote
        if self._system == "redshift":
            text = text.replace("\\", "/")
        return quote + text.replace(quote, quote * 2) + quote

    def _name(self) -> str:
        if self._chance.random() < 0.7:
            return self._one(_NAMES)
        inside = self._one(_QUOTED)
        kinds = []
        if self._system in _BACKTICKS:
            kinds.append(f"`{inside}`")
        if self._system in _BRACKETS:
            kinds.append(f"[{inside}]")
        if self._system not in _DOUBLE_QUOTED:
            kinds += [f'"{inside}"', '"a""b"', '"$$"']
        return self._one(kinds)

    def _table(self) -> str:
        if self._system == "sqlite" and self._chance.random() < 0.2:
            return self._one(("'t1'", "'two words'"))
        return self._column()

    def _column(self) -> str:
        return f"{self._name()}.{self._name()}" if self._chance.random() < 0.3 else self._name()

    _terminals: dict[str, Callable[[_Grammar], str]] = {  # noqa: RUF012
        "value": _value,
        "number": _number,
        "string": _string,
        "name": _name,
        "table": _table,
        "column": _column,
        "operator": lambda self: self._one(_OPERATORS),
        "sign": lambda self: self._one(_SIGNS),
    }


def _without(text: str, *ends: str) -> str:
    for end in ends:
        text = text.replace(end, " ")
    return text


def _escape_string(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


#: Strings that only some systems have.
_STRINGS_OF: dict[str, tuple[Callable[[str], str], ...]] = {
    "postgresql": (
        _escape_string,
        lambda text: "e'" + text.replace("\\", "\\\\").replace("'", "''") + "'",
        lambda text: "U&'" + text.replace("\\", "/").replace("'", "''") + "' UESCAPE '!'",
        lambda text: f"$${_without(text, '$')}$$",
        lambda text: f"$a${_without(text, '$a')} $b$ $$ $a$",
        lambda text: f"$_é2${_without(text, '$')}$_é2$",
        lambda text: "'zq'\n'" + text.replace("'", "''") + "'",
    ),
    "redshift": (lambda text: f"$${_without(text, '$')}$$",),
    "mysql": (
        lambda text: "_utf8mb4'" + text.replace("\\", "\\\\").replace("'", "''") + "'",
        lambda text: "'zq' '" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
        lambda text: "x'77' '" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
        lambda text: "N'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
    ),
    "mssql": (lambda text: "N'" + text.replace("'", "''") + "'",),
    "oracle": (
        lambda text: f"q'[{_without(text, ']')}]'",
        lambda text: f"Q'{{{_without(text, '}')}}}'",
        lambda text: f"nq'!{text}!'",
        lambda text: f"q'({_without(text, ')')})'",
        lambda text: f"q'\"{_without(text, chr(34))}\"'",
        lambda text: "q''" + _without(text, "'") + "''",
        lambda text: f"q'x{text}x'",
        lambda text: "n'" + text.replace("'", "''") + "'",
    ),
    "snowflake": (lambda text: f"$${_without(text, '$')}$$",),
    "cassandra": (lambda text: f"$${_without(text, '$')}$$",),
    "bigquery": (lambda text: "b'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",),
}
