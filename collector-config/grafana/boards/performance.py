"""The page to open first: how fast, how often, how well, and which statements, tables and pools it is about."""

from __future__ import annotations

from typing import Final

from boards import links
from boards.dashboard import Dashboard, Row, Variable
from boards.panels import (
    BLUE,
    ORANGE,
    VERMILLION,
    Panel,
    Query,
    Told,
    distribution,
    figure,
    ranking,
    trend,
)
from boards.promql import RANGE, Scope, number, ratio, top, total, worst
from boards.series import ALERTS, BUCKET, INSTANCE, PROCESS_CPU, PROCESS_MEMORY
from otel_dbmon_semconv.attributes import (
    LABEL_COMPLEXITY,
    LABEL_DATABASE,
    LABEL_ERROR_TYPE,
    LABEL_FINGERPRINT,
    LABEL_OPERATION,
    LABEL_POOL,
    LABEL_QUERY_TYPE,
    LABEL_SERVICE,
    LABEL_SUMMARY,
    LABEL_TABLE,
    Complexity,
)
from otel_dbmon_semconv.metrics import (
    DATABASE_CONNECTION_TIMEOUTS,
    DATABASE_CONNECTION_USE_TIME,
    DATABASE_CONNECTION_WAIT_TIME,
    DATABASE_CONNECTIONS_ACTIVE,
    DATABASE_CONNECTIONS_MAX,
    DATABASE_CONNECTIONS_PENDING,
    DATABASE_ERRORS,
    DATABASE_INDEX_SUGGESTIONS,
    DATABASE_N_PLUS_ONE,
    DATABASE_PLAN_CHANGES,
    DATABASE_QUERY_COMPLEXITY,
    DATABASE_QUERY_DURATION,
    DATABASE_QUERY_PATTERN_CALLS,
    DATABASE_QUERY_PATTERN_DURATION,
    DATABASE_SLOW_QUERIES,
)

SCOPE: Final = Scope(LABEL_SERVICE, LABEL_DATABASE, LABEL_OPERATION)
#: Share of errors, share of slow statements, seconds, share of a pool: where a warning begins and where it is critical.
ERRORS, SLOW, SECONDS, POOL = (0.005, 0.01), (0.05, 0.10), (0.5, 1.0), (0.80, 0.95)
_BY_SERVICE = "{{service}}"
_POOL = (LABEL_SERVICE, LABEL_DATABASE, LABEL_POOL)
_PATTERN = (LABEL_SERVICE, LABEL_SUMMARY, LABEL_FINGERPRINT)


def dashboard() -> Dashboard:
    """The whole page."""
    variables = (
        Variable(LABEL_SERVICE),
        Variable(LABEL_DATABASE, within=(LABEL_SERVICE,)),
        Variable(LABEL_OPERATION, within=(LABEL_SERVICE, LABEL_DATABASE)),
    )
    rows = (
        Row("At a glance", _glance()),
        Row("How fast", _latency()),
        Row("How much, how well", _traffic_and_errors()),
        Row("Slow statements and tables", _slow()),
        Row("Query patterns, by total time", _patterns()),
        Row("N+1, complexity, indexes", _shape()),
        Row("Connection pools", _pools()),
        Row("The processes", _processes()),
    )
    return Dashboard(
        "dbmon-performance",
        "Database Performance",
        "Are the databases fast and well, and if not: which service, statement, table or pool is it?",
        variables,
        rows,
    )


def slow_ratio(scope: Scope, *by: str) -> str:
    """Slow statements among all, both sides narrowed alike."""
    slow = total(scope.rate(DATABASE_SLOW_QUERIES), *by)
    return ratio(slow, total(scope.rate(DATABASE_QUERY_DURATION, "_count", like=DATABASE_SLOW_QUERIES), *by))


def pool_use(scope: Scope, *by: str) -> str:
    """The fullest pool of any process; as in the alerts, one of a single connection counts while a request waits."""
    active, most = scope.select(DATABASE_CONNECTIONS_ACTIVE), scope.select(DATABASE_CONNECTIONS_MAX)
    waiting = f"{scope.select(DATABASE_CONNECTIONS_PENDING)} > 0"
    return worst(f"{active} / ({most} > 1) or {ratio(active, most)} and {waiting}", *by)


def _glance() -> tuple[Panel, ...]:
    firing = f'{ALERTS.prometheus_name}{{alertstate="firing"'
    ours = f'severity=~"critical|warning",{LABEL_SERVICE}=~"$service|"'
    return (
        figure(
            "Statements",
            Told(
                "Statements that the chosen services send to their databases, per second.",
                "Follows the load of the services; flat at night, no steps.",
                "A sudden step up without more visitors is often an N+1 pattern; zero is an outage or lost telemetry.",
            ),
            "ops",
            Query(total(SCOPE.rate(DATABASE_QUERY_DURATION, "_count"))),
        ),
        figure(
            "95 of 100 are faster than",
            Told(
                "The time that 95 % of the statements stay below.",
                "Below 0.5 s.",
                "Above 1 s: the row below says which service and operation it is.",
                runbook="DatabaseLatencyHigh",
            ),
            "s",
            Query(SCOPE.quantile(0.95, DATABASE_QUERY_DURATION)),
            SECONDS,
            empty="no statements",
        ),
        figure(
            "Errors",
            Told(
                "The share of everything tried that failed: statements, and connections and commits that failed "
                "without one.",
                "Below 0.5 %. Constraint violations that the application expects count as well.",
                "Above 1 %: look at the errors by operation and type below.",
                runbook="DatabaseErrorRateHigh",
            ),
            "percentunit",
            Query(SCOPE.error_ratio()),
            ERRORS,
            empty="no statements",
        ),
        figure(
            "Slow",
            Told(
                "The share of statements that took at least OTEL_DBMON_SLOW_QUERY_THRESHOLD (a second unless set).",
                "Below 5 %.",
                "Above 10 %: the tables below name the tables and patterns.",
                runbook="DatabaseQueriesSlow",
            ),
            "percentunit",
            Query(slow_ratio(SCOPE)),
            SLOW,
            empty="no statements",
        ),
        figure(
            "Fullest pool",
            Told(
                "Connections in use of those allowed, of the fullest pool of any process, when it was last asked.",
                "Below 80 %.",
                "Above 95 %, requests are about to wait: look at the pools below.",
                runbook="DatabasePoolExhausted",
            ),
            "percentunit",
            Query(pool_use(SCOPE)),
            POOL,
            empty="no pool with a limit",
        ),
        figure(
            "Alerts that fire",
            Told(
                "Critical and warning alerts that fire now and concern the chosen services.",
                "0. A number needs the rules to be loaded: 0 is shown only while some alert fires, and the watchdog "
                "always does.",
                "The marks in the graphs say since when.",
            ),
            "none",
            Query(f"{number(f'{firing},{ours}}}')} or 0 * {number(f'{firing}}}')}"),
            (1, 1),
            empty="no rules loaded",
        ),
    )


def _latency() -> tuple[Panel, ...]:
    quantiles = [
        trend(
            f"p{round(of * 100)} by service",
            Told(
                f"The time that {of:.0%} of each service's statements stay below; dots are single statements, with "
                "traces.",
                normal,
                "Click a dot to see the trace of that very statement, a line to open its service.",
            ),
            "s",
            Query(SCOPE.quantile(of, DATABASE_QUERY_DURATION, LABEL_SERVICE), _BY_SERVICE),
            limits=SECONDS if of == 0.95 else (),
            width=8,
            link=links.OF_SERIES,
            empty="no statements",
        )
        for of, normal in (
            (0.50, "Milliseconds, and steady: when it rises, everything is slower (the server, the network)."),
            (0.95, "Below 0.5 s; the dashed lines are where a warning begins and where it is critical."),
            (
                0.99,
                "Several times the p95 is usual. Never more than the last bound of OTEL_DBMON_DURATION_BUCKETS (10 s).",
            ),
        )
    ]
    return (
        *quantiles,
        trend(
            "p95 by operation",
            Told(
                "The time that 95 % of the statements of each kind stay below.",
                "Reads and writes at different heights, each steady.",
                "Only writes rise: locks or a busy disk. Only SELECT rises: plans, missing indexes, cold caches.",
                runbook="DatabaseLatencyHigh",
            ),
            "s",
            Query(SCOPE.quantile(0.95, DATABASE_QUERY_DURATION, LABEL_OPERATION), "{{operation}}"),
            limits=SECONDS,
            empty="no statements",
        ),
        distribution(
            "How long statements took",
            Told(
                "How many statements fell between each two bounds of OTEL_DBMON_DURATION_BUCKETS; the lighter, the "
                "more.",
                "One band. Two bands are two kinds of work, or cache hits and misses.",
                "A second band that appears up high is a pattern that turned slow: look for it among the patterns.",
            ),
            Query(total(SCOPE.growth(DATABASE_QUERY_DURATION, "_bucket", over="$__rate_interval"), BUCKET), "{{le}}"),
        ),
    )


def _traffic_and_errors() -> tuple[Panel, ...]:
    return (
        trend(
            "Statements by service",
            Told(
                "Statements per second of each service.",
                "Follows the load.",
                "More statements for the same load: an N+1 pattern or a lost cache.",
            ),
            "ops",
            Query(total(SCOPE.rate(DATABASE_QUERY_DURATION, "_count"), LABEL_SERVICE), _BY_SERVICE),
            width=8,
            link=links.OF_SERIES,
        ),
        trend(
            "Error ratio by service",
            Told(
                "The share of what each service tried that failed.",
                "Below 0.5 %; the dashed lines are where a warning begins and where it is critical.",
                "Near 100 % the database can't be reached; a few per cent are mostly integrity or timeouts: see by "
                "type.",
                runbook="DatabaseErrorRateHigh",
            ),
            "percentunit",
            Query(SCOPE.error_ratio(LABEL_SERVICE), _BY_SERVICE),
            limits=ERRORS,
            width=8,
            link=links.OF_SERIES,
            empty="no statements",
        ),
        trend(
            "Errors by operation and type",
            Told(
                "Errors per second. The type comes from SQLSTATE or the driver's exception, never from a message.",
                "Empty, or few of type integrity.",
                "connection: is the server up? timeout: locks, or slow statements. deadlock, serialization: two "
                "transactions "
                "in each other's way. resource: the server is at a limit. syntax: a deployment and its schema "
                "disagree.",
                runbook="DatabaseErrorRateHigh",
            ),
            "cps",
            Query(
                f"{total(SCOPE.rate(DATABASE_ERRORS), LABEL_OPERATION, LABEL_ERROR_TYPE)} > 0",
                "{{operation}}: {{error_type}}",
            ),
            width=8,
            stacked="normal",
            empty="no errors",
        ),
    )


def _slow() -> tuple[Panel, ...]:
    tables = (LABEL_SERVICE, LABEL_TABLE)
    return (
        trend(
            "Slow statements by service and operation",
            Told(
                "Statements per second that took at least OTEL_DBMON_SLOW_QUERY_THRESHOLD.",
                "Empty, or a known report.",
                "The tables beside and the patterns below say which; open the service for its own view.",
            ),
            "cps",
            Query(
                f"{total(SCOPE.rate(DATABASE_SLOW_QUERIES), LABEL_SERVICE, LABEL_OPERATION)} > 0",
                "{{service}}: {{operation}}",
            ),
            width=12,
            stacked="normal",
            link=links.OF_SERIES,
            empty="no slow statements",
        ),
        trend(
            "Share of slow statements by service",
            Told(
                "Slow statements among all of a service.",
                "Below 5 %; the dashed lines are where a warning begins and where it is critical.",
                "A rise without a deployment: the data grew, statistics are old, or locks are held for long.",
                runbook="DatabaseQueriesSlow",
            ),
            "percentunit",
            Query(slow_ratio(SCOPE, LABEL_SERVICE), _BY_SERVICE),
            limits=SLOW,
            width=12,
            link=links.OF_SERIES,
            empty="no statements",
        ),
        ranking(
            "Tables with the most slow statements",
            Told(
                "How many slow statements named each table first, in the whole time shown.",
                "Empty.",
                "Look at the plans of the patterns on that table, and at its indexes.",
            ),
            tables,
            Query(
                top(15, total(SCOPE.growth(DATABASE_SLOW_QUERIES), *tables)), column="Slow statements", unit="locale"
            ),
            links={LABEL_SERVICE: [links.OF_ROW]},
            empty="no slow statements",
        ),
        ranking(
            "Tables by time",
            Told(
                "The tables whose statements took the most time in the whole time shown, and how long one takes.",
                "The tables that the business is about.",
                "A table with a long p95 and few calls needs an index; one with many calls needs fewer of them, or a "
                "cache.",
            ),
            tables,
            Query(
                top(15, total(SCOPE.growth(DATABASE_QUERY_DURATION, "_sum"), *tables)), column="Total time", unit="s"
            ),
            Query(
                total(SCOPE.rate(DATABASE_QUERY_DURATION, "_count", over=RANGE), *tables),
                column="Statements/s",
                unit="ops",
            ),
            Query(SCOPE.quantile(0.95, DATABASE_QUERY_DURATION, *tables, over=RANGE), column="p95", unit="s"),
            links={LABEL_SERVICE: [links.OF_ROW]},
            limits={"p95": SECONDS},
        ),
    )


def patterns(scope: Scope, width: int = 24) -> Panel:
    """Query patterns by total time, each with the way to its own page and to its traces."""
    time = total(scope.growth(DATABASE_QUERY_PATTERN_DURATION), *_PATTERN)
    calls = total(scope.growth(DATABASE_QUERY_PATTERN_CALLS), *_PATTERN)
    # Of all patterns of the services, whichever are chosen.
    all_time = f"scalar({total(SCOPE.growth(DATABASE_QUERY_PATTERN_DURATION))} > 0)"
    return ranking(
        "Query patterns by total time",
        Told(
            "Statements that differ in values only, by the time they took together in the whole time shown: where "
            "tuning pays. The OTEL_DBMON_TOP_QUERIES costliest of each process have rows; (none) is all the rest "
            "together.",
            "A few patterns take most of the time.",
            "Many calls of a short one: fewer round trips. Few calls of a long one: plan and indexes. "
            "Click the fingerprint for its course and its traces.",
        ),
        _PATTERN,
        Query(top(25, time), column="Total time", unit="s"),
        Query(f"({time} / {all_time}) > 0", column="Share", unit="percentunit"),
        Query(f"{calls} > 0", column="Calls", unit="locale"),
        Query(ratio(time, calls), column="Mean", unit="s"),
        width=width,
        height=11,
        links={LABEL_SERVICE: [links.OF_ROW], LABEL_FINGERPRINT: [links.OF_PATTERN, links.TRACES_OF_PATTERN]},
        limits={"Mean": SECONDS},
    )


def _patterns() -> tuple[Panel, ...]:
    # The same ten for the whole graph; without the @, topk would choose anew at each point.
    chosen = top(10, total(SCOPE.growth(DATABASE_QUERY_PATTERN_DURATION, at="@ end()"), *_PATTERN))
    legend = "{{service}}: {{summary}} {{fingerprint}}"
    return (
        patterns(SCOPE),
        trend(
            "Time taken by the costliest patterns",
            Told(
                "Seconds of database time per second of each of the ten costliest patterns; 1 keeps one connection "
                "busy.",
                "Steady, or following the load.",
                "One that grows while its calls don't became slower: compare with the graph beside.",
            ),
            "s",
            Query(f"{total(SCOPE.rate(DATABASE_QUERY_PATTERN_DURATION), *_PATTERN)} and {chosen}", legend),
            stacked="normal",
            link=links.OF_SERIES,
        ),
        trend(
            "Calls of the costliest patterns",
            Told(
                "Calls per second of the same ten patterns.",
                "Follows the load.",
                "Calls that grow faster than the load: an N+1 pattern, a retry loop, a cache that was lost.",
            ),
            "ops",
            Query(f"{total(SCOPE.rate(DATABASE_QUERY_PATTERN_CALLS), *_PATTERN)} and {chosen}", legend),
            link=links.OF_SERIES,
        ),
    )


def _shape() -> tuple[Panel, ...]:
    levels = {Complexity.LOW: BLUE, Complexity.MEDIUM: ORANGE, Complexity.HIGH: VERMILLION}
    return (
        trend(
            "N+1 patterns by service and table",
            Told(
                "How often, per second, a request read a table row by row: one finding for each request and pattern.",
                "Empty.",
                "Load the rows together (selectinload, joinedload, WHERE .. IN); the request's trace shows the "
                "repetition.",
                runbook="DatabaseNPlusOne",
            ),
            "cps",
            Query(
                f"{total(SCOPE.rate(DATABASE_N_PLUS_ONE), LABEL_SERVICE, LABEL_TABLE)} > 0", "{{service}}: {{table}}"
            ),
            stacked="normal",
            width=8,
            link=links.OF_SERIES,
            empty="no N+1 pattern found",
        ),
        trend(
            "Plans that changed, by service and table",
            Told(
                "Slow patterns, per second, that the database runs in another way than when they were slow before. It "
                "needs OTEL_DBMON_EXPLAIN=slow in the service.",
                "Empty.",
                "The finding's log event and Sentry event hold both plans: an index that is gone, statistics that are "
                "old, a table that grew.",
                runbook="DatabasePlanChanged",
            ),
            "cps",
            Query(
                f"{total(SCOPE.rate(DATABASE_PLAN_CHANGES), LABEL_SERVICE, LABEL_TABLE)} > 0", "{{service}}: {{table}}"
            ),
            stacked="normal",
            width=8,
            link=links.OF_SERIES,
            empty="no plan changed",
        ),
        ranking(
            "Indexes that would pay off",
            Told(
                "Indexes that the advisor of otel-dbmon suggested when it last ran; empty as well if it never ran.",
                "Empty.",
                "Look at the suggestion, try it on a copy, and create the index concurrently.",
                runbook="DatabaseIndexSuggested",
            ),
            (LABEL_SERVICE, LABEL_TABLE),
            Query(
                f"{worst(SCOPE.select(DATABASE_INDEX_SUGGESTIONS), LABEL_SERVICE, LABEL_TABLE)} > 0",
                column="Suggestions",
                unit="none",
            ),
            width=8,
            height=8,
            links={LABEL_SERVICE: [links.OF_ROW]},
            empty="no suggestions",
        ),
        trend(
            "Statements by complexity",
            Told(
                "The share of statements of low, medium and high complexity, a score of joins, subqueries and the "
                "like.",
                "Mostly low in a service that answers requests.",
                "A rising share of high is reporting among the requests: move it away, or store what it computes.",
            ),
            "percentunit",
            Query(total(SCOPE.rate(DATABASE_QUERY_COMPLEXITY), LABEL_COMPLEXITY), "{{complexity}}"),
            stacked="percent",
            colours=levels,
            width=12,
        ),
        trend(
            "Complex statements by service and type",
            Told(
                "Statements of high complexity per second.",
                "Few, and known.",
                "They are the first to become slow when data grows; the patterns name them.",
                runbook="DatabaseQueriesComplex",
            ),
            "ops",
            Query(
                total(
                    SCOPE.rate(DATABASE_QUERY_COMPLEXITY, "", f'{LABEL_COMPLEXITY}="{Complexity.HIGH}"'),
                    LABEL_SERVICE,
                    LABEL_QUERY_TYPE,
                ),
                "{{service}}: {{query_type}}",
            ),
            width=12,
            link=links.OF_SERIES,
            empty="no complex statements",
        ),
    )


def _pools() -> tuple[Panel, ...]:
    legend = "{{service}}: {{pool}}"
    return (
        trend(
            "Pool use, fullest process",
            Told(
                "Connections in use of those allowed, in the process where that is most: a sum would hide one that is "
                "exhausted among idle ones. As it is at each scrape; pools without a limit are not here.",
                "Below 80 %; the dashed lines are where a warning begins and where it is critical.",
                "Connections held for long (see beside) or too few of them. A pool that never comes down has a leak.",
                runbook="DatabasePoolNearlyExhausted",
            ),
            "percentunit",
            Query(pool_use(SCOPE, *_POOL), legend),
            limits=POOL,
            link=links.OF_SERIES,
            most=1,
        ),
        trend(
            "Waiting for a connection, and in vain",
            Told(
                "Requests that wait for a connection at each scrape, and those per second that got none in time.",
                "Zero.",
                "The pool is too small for the load, or connections are held while nothing is asked of the database.",
                runbook="DatabasePoolTimeouts",
            ),
            "none",
            Query(total(SCOPE.select(DATABASE_CONNECTIONS_PENDING), *_POOL), f"{legend} waiting"),
            Query(total(SCOPE.rate(DATABASE_CONNECTION_TIMEOUTS), *_POOL), f"{legend} timed out per second"),
            link=links.OF_SERIES,
        ),
        trend(
            "p95 of the wait for a connection",
            Told(
                "The time that 95 % of requests waited less for a connection, opening new ones included.",
                "Below some milliseconds; opening one takes longer.",
                "When it rises with the pool's use, the pool is the bottleneck, not the database.",
            ),
            "s",
            Query(SCOPE.quantile(0.95, DATABASE_CONNECTION_WAIT_TIME, *_POOL), legend),
            link=links.OF_SERIES,
        ),
        trend(
            "p95 of how long a connection is held",
            Told(
                "The time that 95 % of connections were out of the pool for less; told when one comes back.",
                "Not much more than the statements take.",
                "Much more: transactions stay open while the service does something else.",
            ),
            "s",
            Query(SCOPE.quantile(0.95, DATABASE_CONNECTION_USE_TIME, *_POOL), legend),
            link=links.OF_SERIES,
        ),
    )


def _processes() -> tuple[Panel, ...]:
    extra = "It needs the extra otel-dbmon[system] in the service."
    return (
        trend(
            "CPU by process",
            Told(
                f"How much of one core each process uses. {extra}",
                "Below 80 %; a Python process is at its end at 100 %, however many cores there are.",
                "At 100 %: more processes, or less work each. The database is not what is slow then.",
            ),
            "percentunit",
            Query(
                total(SCOPE.of_service(SCOPE.rate(PROCESS_CPU)), LABEL_SERVICE, INSTANCE), "{{service}} {{instance}}"
            ),
            limits=(0.8, 0.95),
            link=links.OF_SERIES,
        ),
        trend(
            "Memory by process",
            Told(
                f"Resident memory of each process. {extra}",
                "Rises after the start, then stays.",
                "A rise without end is a leak; a step with a slow pattern is a result that is too large to load whole.",
            ),
            "bytes",
            Query(
                total(SCOPE.of_service(SCOPE.select(PROCESS_MEMORY)), LABEL_SERVICE, INSTANCE),
                "{{service}} {{instance}}",
            ),
            link=links.OF_SERIES,
        ),
    )
