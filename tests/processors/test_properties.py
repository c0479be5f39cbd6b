"""What must hold for every text: nothing leaks, sanitizing twice changes nothing, nothing raises, time is linear."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_dbmon_processors.analysis import Analysis, Analyzer, analyze
from otel_dbmon_processors.complexity import LEVELS, QUERY_TYPES

SYSTEMS = ("postgresql", "mysql", "sqlite", "mssql", "oracle", "snowflake", "bigquery", "redshift", "cassandra", "")
CANARY = "ZQ7XKJW9V"
NUMBER = "90271846351"

# What a text may be made of to get in every rule's way.
PIECES = (
    *(
        "'",
        '"',
        "`",
        "[",
        "]",
        "$",
        "$$",
        "$a$",
        "q'[",
        "]'",
        "E'",
        "N'",
        "U&'",
        "_utf8'",
        "\\",
        "--",
        "-- ",
        "/*",
        "*/",
    ),
    *(
        "#",
        "# ",
        "//",
        "\n",
        "\r",
        " ",
        "  ",
        "(",
        ")",
        ",",
        ";",
        "?",
        "1",
        "5.",
        "..",
        "1e5",
        "0x1F",
        "$1",
        ":1",
        ":x",
        "@1",
    ),
    *(
        "@p",
        "%s",
        "%(a)s",
        "-",
        "+",
        "=",
        "<",
        ".",
        "a",
        "b1",
        "select",
        "from",
        "in (",
        "values (",
        "true",
        "TRUE",
        "null",
    ),
    *(
        "password ",
        "identified by ",
        "set x = ",
        "copy t from stdin",
        "insert into t ",
        "\u2018",
        "\x00",
        "\x01",
        "\ufeff",
    ),
    *(
        "\ud800",
        "é",
        "²",
        "٣",
        "'a'",
        '"a"',
        '"a"."b"',
        "`a`",
        "[a]",
        "(1, 2)",
        "(1),(2)",
        "in (1,2)",
        "e",
        "n",
        "as",
        "where",
    ),
    *(
        'from "x" where',
        "array[1,2]",
        "@s/a/1",
        "::int",
        ':"SYS_B_1"',
        "(@p int) select",
        "a#1",
        "#t",
        "{",
        "}",
        "*",
        "/",
        "|",
    ),
    *("with x as (", "union ", "join ", "for update", "\u2028", "\xa0", "\t", "!", ">", "&"),
)
texts = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
systems = st.sampled_from(SYSTEMS)


def escaped(quote: str) -> st.SearchStrategy[str]:
    """The inside of a string that holds the canary, quotes doubled."""
    return st.sampled_from(
        (
            CANARY,
            f"{quote * 2}{CANARY}",
            f"{CANARY}{quote * 2} -- ",
            f"/* {CANARY} */",
            f"a;{CANARY}\n",
            f"$$ {CANARY} `x",
        )
    )


def literals(system: str) -> st.SearchStrategy[str]:
    """Literals of every kind that the system has, the canary in each."""
    strings = escaped("'").map("'{}'".format)
    kinds = [
        strings,
        escaped("'").map("N'{}'".format),
        st.just(f"DATE '{CANARY}'"),
        st.sampled_from(
            (NUMBER, f"{NUMBER}.{NUMBER}", f"-{NUMBER}", f"{NUMBER}e-10", f".{NUMBER}", f"+{NUMBER}.", f"0x{NUMBER}")
        ),
        st.just(f"X'{NUMBER}'"),
    ]
    if system == "postgresql":
        kinds += [
            st.sampled_from(
                (f"$${CANARY}$$", f"$t${CANARY} ' $$ $t$", f"U&'{CANARY}' UESCAPE '!'", f"'a'\n'{CANARY}'")
            ),
            st.sampled_from((f"E'\\'{CANARY}'", f"E'\\\\' || '{CANARY}'", f"'\\' || '{CANARY}'", f"B'{NUMBER}'")),
            st.just(f"INTERVAL '{CANARY}' DAY"),
        ]
    if system in ("mysql", "bigquery"):
        kinds += [
            escaped('"').map('"{}"'.format),
            st.sampled_from((f"'\\'{CANARY}'", f"_utf8'{CANARY}'", f"'\\\\' '{CANARY}'")),
        ]
    if system == "oracle":
        kinds += [
            st.sampled_from((f"q'[it's {CANARY}]'", f"nq'!{CANARY}'!'", f"Q'<{CANARY}>'", f"q'({CANARY}')' || ')'"))
        ]
    if system == "mssql":
        kinds += [st.just(f"${NUMBER}"), st.just(f"'\\' + N'{CANARY}'")]
    if system == "snowflake":
        kinds += [st.sampled_from((f"'\\'{CANARY}'", f"$${CANARY}$$"))]
    if system == "":
        kinds += [st.sampled_from((f'"{CANARY}"', f"'\\'{CANARY}'", f'"a\\"{CANARY}"', f"q'[{CANARY}]'"))]
    return st.one_of(kinds)


def comments(system: str) -> st.SearchStrategy[str]:
    """Comments with the canary in them, and none."""
    kinds = ["", f"/* {CANARY} */", f"/*! {CANARY} */", f"-- {CANARY} it's\n", f"/* it's {CANARY} */"]
    if system in ("mysql", "bigquery"):
        kinds.append(f"# {CANARY} '\n")
    if system in ("postgresql", "mssql"):
        kinds.append(f"/* /* ' */ {CANARY} */")
    return st.sampled_from(kinds)


TEMPLATES = (
    "SELECT a, {0} FROM t WHERE b = {1} AND c IN ({0}, {1}){c}",
    "{c}SELECT a FROM t JOIN u ON t.x = u.x AND t.y > {0} WHERE TRIM(BOTH FROM {1}) = z OR a IS DISTINCT FROM {0}",
    "INSERT INTO t (a, b) VALUES ({0}, {1}), ({1}, {0}){c}",
    "UPDATE t SET a = {0}, b = b - {1} {c}WHERE c BETWEEN {0} AND {1}",
    "DELETE FROM t WHERE a LIKE {0} {c}OR b={1}",
    "WITH x AS (SELECT {0} AS a) {c}SELECT * FROM x WHERE a <> {1} UNION SELECT {0} FROM u",
    "CALL p({0},{c} {1})",
    "EXEC p @a = {0}, @b = {1}{c}",
    "MERGE INTO t USING s ON (t.a = {0}) WHEN MATCHED THEN UPDATE SET b = {1}{c}",
    "CREATE USER u IDENTIFIED BY {0}{c}",
    "ALTER ROLE u WITH PASSWORD {0} {c}VALID UNTIL {1}",
    "SELECT CASE WHEN a = {0} THEN {1} ELSE {0} END FROM t LIMIT {1}{c}",
    "SELECT EXTRACT(YEAR FROM a) - {0}, SUBSTRING({1} FROM 2) FROM t{c}; SELECT {0}",
    "SET x = {0}; {c} SELECT {1}",
    "COPY t FROM {0}{c}",
    "SELECT f(a, {0}) FROM t WHERE f({1}) {c}",
    "EXECUTE IMMEDIATE {0}{c}",
    "EXEC {0}; CALL {1}",
    "COPY INTO {0} FROM t{c}",
    "LOAD DATA INFILE {0} INTO TABLE t FIELDS TERMINATED BY {1}{c}",
    "SELECT a INTO OUTFILE {0} FROM t{c}",
    "VACUUM INTO {0}; ATTACH {1} AS x; USE {0}",
    "CREATE USER {0}@{1}; GRANT ALL ON t TO {0}{c}",
    "PREPARE p FROM {0}; SHOW TABLES LIKE {1}{c}",
    "CREATE INDEX i ON t (a) WHERE b = {0}{c}",
    "BEGIN INSERT INTO t VALUES ({0}); END;{c}",
    "SELECT {0}{c} FROM t ORDER BY {1}, {0}",
    "DELETE FROM t USING u WHERE a = {0}{c}",
)


@st.composite
def statements(draw: st.DrawFn) -> tuple[str, str]:
    """A statement with canaries in all its literals and comments, and its system."""
    system = draw(systems)
    first, second = draw(literals(system)), draw(literals(system))
    text = draw(st.sampled_from(TEMPLATES)).format(first, second, c=f" {draw(comments(system))} ")
    return text, system


def outputs(analysis: Analysis) -> str:
    """Everything that leaves, in one lower-case text."""
    return "\n".join(
        (
            analysis.sanitized,
            analysis.summary,
            analysis.operation,
            *analysis.collections,
            analysis.table,
            analysis.explanation,
        )
    ).lower()


def leaks(analysis: Analysis) -> list[str]:
    """Pieces of four characters of the canaries that came out."""
    text = outputs(analysis)
    pieces = [canary[start : start + 4].lower() for canary in (CANARY, NUMBER) for start in range(len(canary) - 3)]
    return [piece for piece in pieces if piece in text]


@given(statements())
@settings(max_examples=examples(200), deadline=None)
def test_no_literal_and_no_comment_survives(case: tuple[str, str]) -> None:
    """Not in the text, the summary, the operation, the tables, the explanation or the fingerprint."""
    text, system = case
    analysis = analyze(text, system)
    assert not leaks(analysis), analysis
    assert analysis.sanitized


@given(statements(), st.floats(0, 1))
@settings(max_examples=examples(200), deadline=None)
def test_any_truncation_leaks_nothing(case: tuple[str, str], share: float) -> None:
    """Attribute limits cut statements anywhere, in the middle of a literal too."""
    text, system = case
    analysis = analyze(text[: round(len(text) * share)], system)
    assert not leaks(analysis), analysis


@given(texts, systems)
@settings(max_examples=examples(300), deadline=None)
def test_sanitizing_twice_changes_nothing(text: str, system: str) -> None:
    """A text that was sanitized before, here or upstream, stays; so does its pattern's name."""
    once = analyze(text, system)
    twice = analyze(once.sanitized, system)
    assert twice.sanitized == once.sanitized
    assert twice.fingerprint == once.fingerprint


@given(st.one_of(texts, st.binary().map(lambda data: data.decode("latin-1"))), systems)
@settings(max_examples=examples(200), deadline=None)
def test_every_text_returns(text: str, system: str) -> None:
    """Whatever comes in, what goes out is well-formed and can be encoded."""
    analysis = analyze(text, system)
    outputs(analysis).encode()
    assert analysis.query_type in QUERY_TYPES
    assert analysis.complexity in LEVELS
    assert len(analysis.summary) <= 255
    assert len(analysis.fingerprint) == 16


@given(st.lists(st.tuples(st.one_of(texts, statements().map(lambda case: case[0])), systems), min_size=1, max_size=8))
@settings(max_examples=examples(100), deadline=None)
def test_the_caches_change_nothing(cases: list[tuple[str, str]]) -> None:
    """The cached analysis, by statement or by template, is the one that a fresh look gives."""
    analyzer = Analyzer(cache_size=4)
    for _ in range(3):
        for text, system in cases:
            assert tuple(analyzer.analyze(text, system)) == tuple(analyze(text, system))


@given(statements(), st.text(alphabet="abcdefgh0123456789 ", max_size=12), st.integers(0, 10**12))
@settings(max_examples=examples(100), deadline=None)
def test_other_literals_find_the_same_analysis(case: tuple[str, str], string: str, number: int) -> None:
    """Texts that differ in their literals only share one object, and it is what a fresh look gives."""
    text, system = case
    analyzer = Analyzer()
    first = analyzer.analyze(text, system)
    other = text.replace(CANARY, f"x{string}").replace(NUMBER, str(number))
    found = analyzer.analyze(other, system)
    assert tuple(found) == tuple(analyze(other, system))
    if found.sanitized == first.sanitized and found.summary == first.summary:
        assert found.fingerprint == first.fingerprint


HOSTILE: dict[str, Callable[[int], str]] = {
    "literal": lambda n: "SELECT '" + "a" * 20 * n + "'",
    "doubled quotes": lambda n: "SELECT '" + "''" * n + "'",
    "escaped quotes": lambda n: "SELECT '" + "\\'" * n + "'",
    "unclosed quote": lambda n: "SELECT 'a' b " + "'a' b " * n + "'",
    "brackets": lambda n: "SELECT " + "(" * n + "1" + ")" * n,
    "open brackets": lambda n: "SELECT " + "(" * n,
    "square brackets": lambda n: "]" + "[" * n,
    "closed square brackets": lambda n: "[" * n + "]",
    "double quotes": lambda n: '"' * n,
    "names": lambda n: '"a"b' * n,
    "backticks": lambda n: "`a" * n,
    "comments": lambda n: "/*" * n,
    "nested comments": lambda n: "/*" * n + "*/" * n,
    "line comments": lambda n: "-- a\n" * n,
    "dashes": lambda n: "-" * n,
    "hashes": lambda n: "#a" * n,
    "dollar openers": lambda n: "$a$b$c" * n,
    "dollar tags": lambda n: "".join([f"$a{i}$" for i in range(n // 4)]),
    "dollars": lambda n: "1$" * n,
    "q openers": lambda n: "q'[" * n,
    "escape strings": lambda n: "E'\\" * n,
    "digits": lambda n: "1" * n,
    "points": lambda n: "1." * n,
    "exponents": lambda n: "1e-" * n,
    "identifier": lambda n: "a1" * n,
    "dots": lambda n: "a . " * n,
    "as": lambda n: "WITH " + "AS " * n,
    "with": lambda n: "WITH " + "a AS (" * n,
    "joins": lambda n: "SELECT * FROM t" + "".join([f" JOIN t{i} ON x" for i in range(n // 4)]),
    "values": lambda n: "INSERT INTO t VALUES " + "(1, f(2))," * (n // 2),
    "open values": lambda n: "t VALUES (a(b" * n,
    "in lists": lambda n: "x IN (1," * n,
    "signs": lambda n: "+ " * n,
    "passwords": lambda n: "PASSWORD FOR " * n,
    "identified": lambda n: "IDENTIFIED " * n,
    "rows to copy": lambda n: "COPY FROM STDIN " * n,
    "strings with a rest": lambda n: "'a'b" * n,
    "doubtful brackets": lambda n: "[it's " * n,
    "string after string": lambda n: "E'a'" + "\n'b'" * n,
    "tables in string quotes": lambda n: "SELECT a FROM 'b' " * n,
    "copies": lambda n: "COPY " * n + " stdin",
    "settings": lambda n: "SET x = " + "a, " * n,
    "prefixes": lambda n: "U&" * n + "''",
    "unions": lambda n: "(SELECT 1) UNION " * n,
    "typographic quotes": lambda n: "\u2018" * n,
    "white space": lambda n: "\n" * n + "a",
    "semicolons": lambda n: "a;" * n,
}


@pytest.mark.parametrize("system", ["postgresql", "mysql", "mssql", ""])
@pytest.mark.parametrize("shape", list(HOSTILE))
def test_time_is_linear(shape: str, system: str) -> None:
    """Four times the text takes about four times as long: sixteen would be a square."""
    make = HOSTILE[shape]
    size = 2000

    def seconds(factor: int) -> float:
        text = make(size * factor)
        best = 60.0
        for _ in range(2):
            start = time.process_time()
            analyze(text, system)
            best = min(best, time.process_time() - start)
        return best

    analyze(make(10), system)
    # Below that the clock and the caches of the machine decide.
    assert seconds(4) < 10 * seconds(1) + 0.02


@pytest.mark.parametrize("system", ["postgresql", "mysql", ""])
def test_big_texts_return_quickly(system: str) -> None:
    """A literal of a megabyte, 100,000 brackets and 100,000 comments take no service hostage."""
    start = time.process_time()
    for text in ("SELECT '" + "x" * 1_000_000 + "'", "(" * 100_000, "/*" * 100_000, "'" * 99_999, "$a$b" * 100_000):
        analyze(text, system)
    assert time.process_time() - start < 5
