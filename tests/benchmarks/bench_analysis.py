"""Prints what analysing a statement costs, beside sqlglot merely tokenizing it, and what a million statements leave.

Three prices: a statement that came before; a new text of a known template (other literals); a new template (other
names). Each new one is met once only, by an analyzer whose caches are full, in the same round as sqlglot meets it:
once by a tokenizer that is kept (the least there is), once as its users call it (``sqlglot.tokenize``).
"""

from __future__ import annotations

import gc
import itertools
import math
import resource
import sys
import time
import timeit
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from otel_dbmon_processors.analysis import Analyzer

CALLS = 100_000
ROUNDS = 7
BLOCK = 150
STATEMENTS = 1_000_000

#: ``<name>`` becomes another name for each new template, ``<value>`` another number for each new text.
MIX = (
    ("postgresql", "SELECT id, email, created_at FROM users_<name> WHERE id = <value>"),
    (
        "postgresql",
        "SELECT o.id, o.total, c.name FROM orders_<name> AS o JOIN customers c ON c.id = o.customer_id LEFT JOIN"
        " addresses a ON a.id = o.address_id WHERE o.state = 'open' AND o.total > <value>.5 ORDER BY o.at LIMIT 20",
    ),
    (
        "postgresql",
        'INSERT INTO "audit_<name>" ("actor", "action", "payload", "at") VALUES (<value>, \'login\','
        ' E\'it\\\'s {"ip": "10.0.0.7"}\', TIMESTAMP \'2026-02-03 04:05:06\') RETURNING "id"',
    ),
    (
        "postgresql",
        "WITH recent AS (SELECT customer_id, sum(total) AS spent FROM orders_<name> WHERE created_at > now() - INTERVAL"
        " '30 days' GROUP BY customer_id) SELECT c.name, r.spent, rank() OVER (ORDER BY r.spent DESC) FROM recent r"
        " JOIN customers c ON c.id = r.customer_id WHERE r.spent >= <value>",
    ),
    ("postgresql", "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_<name> ON orders (customer_id) WHERE total > <value>"),
    (
        "mysql",
        "SELECT `p`.`id`, `p`.`title` FROM `posts_<name>` AS `p` WHERE `p`.`author_id` IN (<value>, 18, 19, 20, 21) AND"
        ' `p`.`title` LIKE "%spring%" AND `p`.`hidden` = FALSE',
    ),
    (
        "mysql",
        "INSERT INTO stock_<name> (sku, shelf, quantity) VALUES ('A-1', 4, <value>), ('A-2', 5, 70), ('A-3', 6, 80) ON"
        " DUPLICATE KEY UPDATE quantity = quantity + VALUES(quantity)",
    ),
    (
        "mysql",
        "UPDATE accounts_<name> SET balance = balance - <value>.25, note = 'rent, March', changed = NOW() WHERE id = 5"
        " AND balance >= 7.25 /* traceparent='00-abc-def-01' */",
    ),
    (
        "sqlite",
        "DELETE FROM sessions_<name> WHERE expires < <value> AND user_id NOT IN (SELECT id FROM users WHERE live = 1)",
    ),
    (
        "mssql",
        "SELECT TOP 50 [o].[Id], [o].[Number], [c].[Name] FROM [sales].[Orders_<name>] AS [o] INNER JOIN [Customers] AS"
        " [c] ON [c].[Id] = [o].[CustomerId] WHERE [o].[Number] > <value> AND [c].[City] = N'Zürich'",
    ),
    ("mssql", "EXEC dbo.close_month_<name> @year = 2026, @month = <value>, @by = N'batch'"),
    (
        "oracle",
        "MERGE INTO prices_<name> p USING imported i ON (p.sku = i.sku) WHEN MATCHED THEN UPDATE SET p.amount ="
        " i.amount * 1.<value> WHEN NOT MATCHED THEN INSERT (sku, amount, note) VALUES (i.sku, 1, q'[it's new]')",
    ),
    (
        "snowflake",
        "SELECT region, COUNT(DISTINCT visitor_id) AS visitors FROM web.events.visits_<name> WHERE day BETWEEN"
        " '2026-01-01' AND '2026-01-31' AND duration > <value> GROUP BY region HAVING COUNT(*) > 100 UNION ALL"
        " SELECT region, 0 FROM regions",
    ),
    (
        "bigquery",
        'SELECT user_id, ARRAY_AGG(STRUCT(page, seconds)) AS pages FROM `shop.logs_<name>` WHERE country = "CH" AND'
        " seconds > <value> GROUP BY user_id",
    ),
)
_SQLGLOT_NAMES = {"postgresql": "postgres", "mssql": "tsql"}
_Tokenize = Callable[[str], object]
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Cost(NamedTuple):
    """Microseconds for one statement of the mix."""

    text: float
    template: float
    tokenizer: float
    tokenize: float


def main() -> None:
    """Run everything and print it."""
    # First, because the peak of the process can only grow.
    _flood()
    warm = _warm()
    print(f"analysis, statement seen before: {warm:.2f} us (goal 1)")
    rivals = _sqlglot()
    if rivals is None:
        return
    costs = [_cost(system, text, *rivals(system)) for system, text in MIX]
    for (system, text), cost in zip(MIX, costs, strict=True):
        print(
            f"  {system:10s} {text[:30]:30s} {len(text):3d} characters: new text {cost.text:5.1f} us, new template "
            f"{cost.template:5.1f} us; sqlglot's tokenizer {cost.tokenizer:5.1f} us, "
            f"sqlglot.tokenize {cost.tokenize:5.1f} us"
        )
    for what, ours in (
        ("new text, known template", [cost.text for cost in costs]),
        ("new template", [cost.template for cost in costs]),
    ):
        print(
            f"analysis, {what}: over sqlglot.tokenize {_ratio(ours, [cost.tokenize for cost in costs])}, "
            f"over its tokenizer alone {_ratio(ours, [cost.tokenizer for cost in costs])}"
        )


def _ratio(ours: list[float], theirs: list[float]) -> str:
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    return f"{mean:.2f} (the worst {max(ratios):.2f}, goal 1)"


def _warm() -> float:
    analyzer = Analyzer()
    times = []
    for system, text in MIX:
        for _ in range(3):
            analyzer.analyze(text, system)
        times.append(min(timeit.repeat(lambda s=system, t=text: analyzer.analyze(t, s), number=CALLS // 10, repeat=5)))
    return max(times) / (CALLS // 10) * 1e6


def _sqlglot() -> Callable[[str], tuple[_Tokenize, _Tokenize]] | None:
    """For a system, sqlglot's kept tokenizer and its function."""
    try:
        import sqlglot
        from sqlglot import tokens
    except ImportError:
        print("analysis, new statements: skipped, sqlglot is not installed (pip install 'sqlglot[c]')")
        return None
    core = sys.modules.get("sqlglot.tokenizer_core", tokens)
    kind = "pure Python: install sqlglot[c]" if str(core.__file__).endswith(".py") else "compiled"
    print(f"analysis, new statements beside sqlglot {sqlglot.__version__} ({kind}):")

    def rivals(system: str) -> tuple[_Tokenize, _Tokenize]:
        name = _SQLGLOT_NAMES.get(system, system)
        return sqlglot.Dialect.get_or_raise(name).tokenizer().tokenize, partial(sqlglot.tokenize, read=name)

    return rivals


def _cost(system: str, text: str, tokenizer: _Tokenize, tokenize: _Tokenize) -> Cost:
    analyze = partial(Analyzer().analyze, system=system)
    names, values = _names(), itertools.count(1_000)
    rounds = []
    for _ in range(ROUNDS + 1):
        texts = [text.replace("<name>", "aaaa").replace("<value>", str(next(values))) for _ in range(BLOCK)]
        templates = [text.replace("<name>", next(names)).replace("<value>", "1000") for _ in range(BLOCK)]
        turns = (analyze, texts), (analyze, templates), (tokenizer, templates), (tokenize, templates)
        rounds.append([_microseconds(call, statements) for call, statements in turns])
    # The first round fills caches and compiles patterns.
    return Cost(*map(min, zip(*rounds[1:], strict=True)))


def _names() -> Iterator[str]:
    return map("".join, itertools.product(_LETTERS, repeat=4))


def _microseconds(call: Callable[[str], object], statements: list[str]) -> float:
    start = time.thread_time()
    for statement in statements:
        call(statement)
    return (time.thread_time() - start) / len(statements) * 1e6


def _flood() -> None:
    analyzer = Analyzer()
    names = _names()
    for system, text in MIX:
        analyzer.analyze(text, system)
    gc.collect()
    before = _resident_mb()
    started = time.perf_counter()
    templates = itertools.cycle(text for system, text in MIX if system == "postgresql")
    for number, template in zip(range(STATEMENTS), templates, strict=False):
        # One in four has a template of its own as well.
        name = next(names) if number % 4 == 0 else "aaaa"
        analyzer.analyze(template.replace("<name>", name).replace("<value>", str(number)), "postgresql")
    spent = time.perf_counter() - started
    print(
        f"analysis, {STATEMENTS} distinct statements: {spent / STATEMENTS * 1e6:.1f} us each, "
        f"{_resident_mb() - before:.1f} MB at the peak (goal 20)"
    )


def _resident_mb() -> float:
    # Kilobytes on Linux, bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    main()
