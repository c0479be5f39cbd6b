"""The page of one service and one of its query patterns: what the service waits for, and what the pattern costs."""

from __future__ import annotations

from typing import Final

from boards import links
from boards.dashboard import Dashboard, Row, Variable
from boards.panels import BLUE, ORANGE, VERMILLION, Panel, Query, Told, figure, ranking, trend
from boards.performance import ERRORS, POOL, SECONDS, SLOW, patterns, pool_use, slow_ratio
from boards.promql import RANGE, Scope, ratio, top, total
from boards.series import INSTANCE, PROCESS_CPU, PROCESS_MEMORY
from otel_dbmon_semconv.attributes import (
    LABEL_DATABASE,
    LABEL_ERROR_TYPE,
    LABEL_FINGERPRINT,
    LABEL_OPERATION,
    LABEL_POOL,
    LABEL_SERVICE,
    LABEL_SUMMARY,
    LABEL_TABLE,
)
from otel_dbmon_semconv.metrics import (
    DATABASE_CONNECTION_WAIT_TIME,
    DATABASE_ERRORS,
    DATABASE_N_PLUS_ONE,
    DATABASE_QUERY_DURATION,
    DATABASE_QUERY_PATTERN_CALLS,
    DATABASE_QUERY_PATTERN_DURATION,
    DATABASE_SLOW_QUERIES,
)

SCOPE: Final = Scope(LABEL_SERVICE)
#: Only here the choice of a pattern narrows anything.
PATTERN_SCOPE: Final = Scope(LABEL_SERVICE, LABEL_FINGERPRINT)


def dashboard() -> Dashboard:
    """The whole page."""
    variables = (
        Variable(LABEL_SERVICE, several=False),
        Variable(LABEL_FINGERPRINT, DATABASE_QUERY_PATTERN_CALLS, "", within=(LABEL_SERVICE,)),
    )
    rows = (
        Row("The service", _glance()),
        Row("What it waits for", _waits()),
        Row("The chosen query patterns", _pattern()),
        Row("Its statements", _statements()),
        Row("Its processes", _processes()),
    )
    return Dashboard(
        links.SERVICE_PAGE,
        "Database Drill-down",
        "What does one service wait for, which of its statements cost most, and how does one query pattern do?",
        variables,
        rows,
    )


def _glance() -> tuple[Panel, ...]:
    return (
        figure(
            "Statements",
            Told("Statements per second.", "Follows the load.", "A step without more load: see the patterns below."),
            "ops",
            Query(total(SCOPE.rate(DATABASE_QUERY_DURATION, "_count"))),
            width=5,
        ),
        figure(
            "95 of 100 are faster than",
            Told("The time that 95 % of its statements stay below.", "Below 0.5 s.", "See its tables below."),
            "s",
            Query(SCOPE.quantile(0.95, DATABASE_QUERY_DURATION)),
            SECONDS,
            width=5,
            empty="no statements",
        ),
        figure(
            "Errors",
            Told(
                "The share of what it tried that failed, connecting and committing included.",
                "Below 0.5 %.",
                "See its errors by operation and type below.",
            ),
            "percentunit",
            Query(SCOPE.error_ratio()),
            ERRORS,
            width=5,
            empty="no statements",
        ),
        figure(
            "Slow",
            Told("The share of its statements that were slow.", "Below 5 %.", "See its tables and patterns below."),
            "percentunit",
            Query(slow_ratio(SCOPE)),
            SLOW,
            width=5,
            empty="no statements",
        ),
        figure(
            "Fullest pool",
            Told(
                "Connections in use of those allowed, in its fullest process.",
                "Below 80 %.",
                "See its pools by process below.",
            ),
            "percentunit",
            Query(pool_use(SCOPE)),
            POOL,
            width=4,
            empty="no pool with a limit",
        ),
    )


def _waits() -> tuple[Panel, ...]:
    database, connection, cpu = "the database", "a connection", "the CPU"
    return (
        trend(
            "What it spends its time on",
            Told(
                "Seconds per second, all processes together, that statements ran, that requests waited for a "
                "connection, "
                "and that the CPU computed (with otel-dbmon[system]). Parallel ones add up.",
                "The database below the CPU, and hardly any wait for a connection.",
                "The greatest is what to work on: docs/bottlenecks.md goes through it step by step.",
            ),
            "s",
            Query(total(SCOPE.rate(DATABASE_QUERY_DURATION, "_sum")), database),
            Query(total(SCOPE.rate(DATABASE_CONNECTION_WAIT_TIME, "_sum")), connection),
            Query(total(SCOPE.of_service(SCOPE.rate(PROCESS_CPU))), cpu),
            colours={database: BLUE, connection: VERMILLION, cpu: ORANGE},
        ),
        trend(
            "How fast its statements are",
            Told(
                "The time that half, 95 % and 99 % of its statements stay below; dots are statements with their "
                "traces.",
                "Steady.",
                "All rise: the server or the network. Only the upper ones: locks, or one slow pattern.",
            ),
            "s",
            *(Query(SCOPE.quantile(of, DATABASE_QUERY_DURATION), f"p{round(of * 100)}") for of in (0.50, 0.95, 0.99)),
            limits=SECONDS,
            colours={"p50": BLUE, "p95": ORANGE, "p99": VERMILLION},
            empty="no statements",
        ),
    )


def _pattern() -> tuple[Panel, ...]:
    labels = (LABEL_SUMMARY, LABEL_FINGERPRINT)
    legend = "{{summary}} {{fingerprint}}"
    time = total(PATTERN_SCOPE.rate(DATABASE_QUERY_PATTERN_DURATION), *labels)
    calls = total(PATTERN_SCOPE.rate(DATABASE_QUERY_PATTERN_CALLS), *labels)
    return (
        patterns(PATTERN_SCOPE),
        trend(
            "Mean duration",
            Told(
                "How long one call of each chosen pattern takes on average. Patterns have no histogram: for its "
                "spread look at its table below, or at its traces.",
                "Steady.",
                "A step is another plan or a lost index; a slope is growing data.",
            ),
            "s",
            Query(ratio(time, calls), legend),
            limits=SECONDS,
            width=8,
            empty="no calls",
        ),
        trend(
            "Calls",
            Told(
                "Calls per second of each chosen pattern.",
                "Follows the load.",
                "More than the load explains: an N+1 pattern, retries, a lost cache.",
            ),
            "ops",
            Query(f"{calls} > 0", legend),
            width=8,
            empty="no calls",
        ),
        trend(
            "Time taken",
            Told(
                "Seconds per second that each chosen pattern keeps connections busy.",
                "Follows the load.",
                "What grows here is what to tune first.",
            ),
            "s",
            Query(f"{time} > 0", legend),
            width=8,
            stacked="normal",
            empty="no calls",
        ),
    )


def _statements() -> tuple[Panel, ...]:
    rows = (LABEL_OPERATION, LABEL_TABLE)
    return (
        ranking(
            "Its operations and tables",
            Told(
                "Statements by operation and the table they name first, in the whole time shown.",
                "Short p95 where there are many calls.",
                "A long p95: plans and indexes of that table. Slow statements with a short p95: locks now and then.",
            ),
            rows,
            Query(top(30, total(SCOPE.growth(DATABASE_QUERY_DURATION, "_sum"), *rows)), column="Total time", unit="s"),
            Query(
                total(SCOPE.rate(DATABASE_QUERY_DURATION, "_count", over=RANGE), *rows),
                column="Statements/s",
                unit="ops",
            ),
            Query(SCOPE.quantile(0.5, DATABASE_QUERY_DURATION, *rows, over=RANGE), column="p50", unit="s"),
            Query(SCOPE.quantile(0.95, DATABASE_QUERY_DURATION, *rows, over=RANGE), column="p95", unit="s"),
            Query(total(SCOPE.growth(DATABASE_SLOW_QUERIES), *rows), column="Slow", unit="locale"),
            width=16,
            limits={"p95": SECONDS},
        ),
        ranking(
            "Tables read row by row",
            Told(
                "N+1 patterns found on each table in the whole time shown.",
                "Empty.",
                "Load the rows of one request together.",
            ),
            (LABEL_TABLE,),
            Query(top(15, total(SCOPE.growth(DATABASE_N_PLUS_ONE), LABEL_TABLE)), column="Findings", unit="locale"),
            width=8,
            empty="no N+1 pattern found",
        ),
        trend(
            "Its errors by operation and type",
            Told(
                "Errors per second by kind.",
                "Empty, or few of type integrity.",
                "connection: is the server up? timeout: locks, or slow statements. deadlock: order of writes.",
            ),
            "cps",
            Query(
                f"{total(SCOPE.rate(DATABASE_ERRORS), LABEL_OPERATION, LABEL_ERROR_TYPE)} > 0",
                "{{operation}}: {{error_type}}",
            ),
            stacked="normal",
            empty="no errors",
        ),
        trend(
            "Its databases",
            Told(
                "Statements per second on each database.",
                "Follows the load.",
                "One that falls to nothing is not asked any more, or not reached.",
            ),
            "ops",
            Query(total(SCOPE.rate(DATABASE_QUERY_DURATION, "_count"), LABEL_DATABASE), "{{database}}"),
        ),
    )


def _processes() -> tuple[Panel, ...]:
    return (
        trend(
            "Statements by process",
            Told(
                "Statements per second of each process.",
                "Alike in all workers.",
                "One that does all the work, or none: look at how requests are spread.",
            ),
            "ops",
            Query(total(SCOPE.rate(DATABASE_QUERY_DURATION, "_count"), INSTANCE), "{{instance}}"),
        ),
        trend(
            "Pool use by process",
            Told(
                "Connections in use of those allowed, of each pool of each process, at each scrape.",
                "Below 80 %.",
                "One process only: a leak there. All of them: the pools are too small, or connections are held too "
                "long.",
            ),
            "percentunit",
            Query(pool_use(SCOPE, INSTANCE, LABEL_POOL), "{{instance}} {{pool}}"),
            limits=POOL,
            most=1,
        ),
        trend(
            "CPU by process",
            Told(
                "How much of one core each process uses (with otel-dbmon[system]).",
                "Below 80 %.",
                "At 100 % a Python process is at its end: more processes, or less work.",
            ),
            "percentunit",
            Query(total(SCOPE.of_service(SCOPE.rate(PROCESS_CPU)), INSTANCE), "{{instance}}"),
            limits=(0.8, 0.95),
        ),
        trend(
            "Memory by process",
            Told(
                "Resident memory of each process (with otel-dbmon[system]).",
                "Rises after the start, then stays.",
                "A rise without end is a leak.",
            ),
            "bytes",
            Query(total(SCOPE.of_service(SCOPE.select(PROCESS_MEMORY)), INSTANCE), "{{instance}}"),
        ),
    )
