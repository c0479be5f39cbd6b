"""The page for planning ahead: how load and pools grow, how much room is left, and when it will be used up."""

from __future__ import annotations

from typing import Final

from boards import links
from boards.dashboard import Dashboard, Row, Variable
from boards.panels import Panel, Query, Told, figure, ranking, trend
from boards.performance import POOL, pool_use
from boards.promql import HISTORY, RANGE, Scope, ratio, total, worst
from boards.series import INSTANCE, JOB, PROCESS_CPU, PROCESS_MEMORY
from otel_dbmon_semconv.attributes import LABEL_DATABASE, LABEL_POOL, LABEL_SERVICE
from otel_dbmon_semconv.metrics import (
    DATABASE_CONNECTION_USE_TIME,
    DATABASE_CONNECTIONS_ACTIVE,
    DATABASE_CONNECTIONS_IDLE,
    DATABASE_CONNECTIONS_MAX,
    DATABASE_QUERY_DURATION,
)

SCOPE: Final = Scope(LABEL_SERVICE, LABEL_DATABASE)
_POOL = (LABEL_SERVICE, LABEL_DATABASE, LABEL_POOL)
_HOUR: Final = "1h"
#: A slope counts when the pool grew by this share of itself in the time shown; less is noise.
_GROWTH: Final = 0.05
#: Nothing is said about what lies further ahead than so many times the time shown.
_HORIZON: Final = 10


def dashboard() -> Dashboard:
    """The whole page."""
    variables = (Variable(LABEL_SERVICE), Variable(LABEL_DATABASE, within=(LABEL_SERVICE,)))
    rows = (
        Row("How much room is left", _room()),
        Row("Load", _load()),
        Row("Connections", _connections()),
        Row("Processes", _processes()),
    )
    return Dashboard(
        "dbmon-capacity",
        "Database Capacity",
        "How does the load grow, how much room do the pools and processes have, and when will it be used up? "
        "Forecasts look as far ahead as the time shown looks back.",
        variables,
        rows,
        since="now-7d",
        refresh="15m",
    )


def _forecast(now: str) -> str:
    """What it will be when as much time has passed as is shown, if it goes on like that; never less than nothing."""
    return f"clamp_min(predict_linear(({now})[{HISTORY}], $__range_s), 0) and {_known(now)}"


def _exhausted_in(use: str) -> str:
    """Seconds until a share that grows reaches 1; nothing where it does not grow, or only in a far future."""
    slope = f"(deriv(({use})[{HISTORY}]) > {_GROWTH} / $__range_s)"
    left = f"clamp_min(1 - predict_linear(({use})[{HISTORY}], 0), 0)"
    return f"({left} / {slope} < {_HORIZON} * $__range_s) and {_known(use)}"


def _known(now: str) -> str:
    """Only what is known for at least half of the time shown: an hour says nothing about a week."""
    return f"(count_over_time(({now})[{HISTORY}]) * $__interval_ms > 0.5 * $__range_ms)"


def _room() -> tuple[Panel, ...]:
    headroom = f"{SCOPE.select(DATABASE_CONNECTIONS_MAX)} - {SCOPE.select(DATABASE_CONNECTIONS_ACTIVE)}"
    use = pool_use(SCOPE, *_POOL)
    return (
        figure(
            "Fullest pool now",
            Told(
                "Connections in use of those allowed, of the fullest pool of any process.",
                "Below 80 % at peak.",
                "Raise the pool's limit if the server allows it, or hold connections for less time.",
            ),
            "percentunit",
            Query(pool_use(SCOPE)),
            POOL,
            width=6,
            empty="no pool with a limit",
        ),
        figure(
            "Fewest connections left",
            Told(
                "Connections that the fullest pool of any process may still hand out.",
                "More than a burst needs.",
                "At 0, requests wait.",
            ),
            "none",
            Query(f"min({headroom})"),
            width=6,
            empty="no pool with a limit",
            decimals=0,
        ),
        figure(
            "First pool exhausted in",
            Told(
                "When the first pool will be full if it goes on like in the time shown. It speaks only of pools "
                "whose use "
                f"grew by more than {_GROWTH:.0%} in that time, and of no more than {_HORIZON} times that time.",
                "not in sight.",
                "The table below names the pool. A straight line is a leak; steps are more load.",
            ),
            "s",
            Query(f"min({_exhausted_in(use)})"),
            width=6,
            empty="not in sight",
        ),
        figure(
            "Statements that run at once",
            Told(
                "Database time per second: how many statements run at the same time on average.",
                "Well below the server's cores and the connections of all pools.",
                "It is the least number of connections that the load needs.",
            ),
            "short",
            Query(total(SCOPE.rate(DATABASE_QUERY_DURATION, "_sum"))),
            width=6,
        ),
        ranking(
            "Pools: room and forecast",
            Told(
                "For each pool, in its fullest process: use now, its peak in the time shown, what it will be when as "
                "much time has passed again, and when it is exhausted. No forecast is made of what is known for less "
                "than half of the time shown, and no time of exhaustion of what does not grow.",
                "A peak below 80 % and no time of exhaustion.",
                "Look at the graph below: growth with the load needs larger pools or more processes, growth without "
                "is a leak.",
            ),
            _POOL,
            Query(f"max_over_time(({use})[{HISTORY}])", column="Peak", unit="percentunit"),
            Query(use, column="Now", unit="percentunit"),
            Query(_forecast(use), column="Forecast", unit="percentunit"),
            Query(_exhausted_in(use), column="Exhausted in", unit="s"),
            width=24,
            links={LABEL_SERVICE: [links.OF_ROW]},
            limits={"Peak": POOL, "Now": POOL, "Forecast": POOL},
            empty="no pool with a limit",
        ),
    )


def _load() -> tuple[Panel, ...]:
    load = total(SCOPE.rate(DATABASE_QUERY_DURATION, "_count"), LABEL_SERVICE)
    busy = total(SCOPE.rate(DATABASE_QUERY_DURATION, "_sum"), LABEL_SERVICE)
    return (
        trend(
            "Load by service",
            Told(
                "Statements per second, averaged over an hour or more at each point.",
                "The same week after week.",
                "Growth faster than the business: patterns that multiply (N+1), caches that miss.",
            ),
            "ops",
            Query(load, "{{service}}"),
            interval=_HOUR,
            link=links.OF_SERIES,
        ),
        trend(
            "Statements that run at once, by service",
            Told(
                "Database time per second, averaged over an hour or more at each point.",
                "Grows no faster than the load.",
                "Faster than the load: statements become slower; see how fast they are.",
            ),
            "short",
            Query(busy, "{{service}}"),
            interval=_HOUR,
            link=links.OF_SERIES,
        ),
        ranking(
            "Load: average and forecast",
            Told(
                "Statements per second and those that run at once: the average of the time shown, and what a straight "
                "line through it gives when as much time has passed again.",
                "Forecast and average alike.",
                "Choose whole weeks as the time shown: a line through half a day only sees morning or evening.",
            ),
            (LABEL_SERVICE,),
            Query(f"avg_over_time(({load})[{HISTORY}])", column="Statements/s", unit="ops"),
            Query(_forecast(load), column="Forecast of these", unit="ops"),
            Query(f"avg_over_time(({busy})[{HISTORY}])", column="At once", unit="short"),
            Query(_forecast(busy), column="Forecast of those", unit="short"),
            width=24,
            height=7,
            links={LABEL_SERVICE: [links.OF_ROW]},
        ),
    )


def _connections() -> tuple[Panel, ...]:
    legend = "{{service}}: {{pool}}"
    held = SCOPE.rate(DATABASE_CONNECTION_USE_TIME, "_sum")
    limit = SCOPE.select(DATABASE_CONNECTIONS_MAX)
    opened = f"{SCOPE.select(DATABASE_CONNECTIONS_ACTIVE)} + {SCOPE.select(DATABASE_CONNECTIONS_IDLE)}"
    return (
        trend(
            "Pool use, fullest process",
            Told(
                "Connections in use of those allowed, as they were at each scrape.",
                "Peaks below 80 %.",
                "Peaks that grow with the load: plan for larger pools. A floor that rises: a leak.",
            ),
            "percentunit",
            Query(pool_use(SCOPE, *_POOL), legend),
            limits=POOL,
            width=8,
            link=links.OF_SERIES,
            most=1,
        ),
        trend(
            "Average pool use, fullest process",
            Told(
                "How long connections were held per second, of those allowed: an average that misses nothing between "
                "two "
                "scrapes, but learns of a connection only when it comes back.",
                "Half of the pool or less.",
                "Requests begin to wait long before the average reaches 100 %.",
            ),
            "percentunit",
            Query(worst(ratio(held, limit), *_POOL), legend),
            limits=(0.5, 0.8),
            width=8,
            link=links.OF_SERIES,
        ),
        trend(
            "Connections to each database",
            Told(
                "Open connections of all pools together, and how many all pools together may open.",
                "The sum of what is allowed stays below the server's own limit (PostgreSQL: max_connections).",
                "Above it, new processes will be refused at peak: smaller pools, or a pooler before the server.",
            ),
            "none",
            Query(total(opened, LABEL_DATABASE), "{{database}}: open"),
            Query(total(limit, LABEL_DATABASE), "{{database}}: allowed"),
            width=8,
        ),
    )


def _processes() -> tuple[Panel, ...]:
    cpu = worst(total(SCOPE.of_service(SCOPE.rate(PROCESS_CPU)), LABEL_SERVICE, JOB, INSTANCE), LABEL_SERVICE)
    memory = SCOPE.of_service(SCOPE.select(PROCESS_MEMORY))
    ahead = SCOPE.of_service(f"predict_linear({SCOPE.select(PROCESS_MEMORY)}[{RANGE}], $__range_s)")
    return (
        trend(
            "CPU of the busiest process",
            Told(
                "How much of one core the busiest process of each service uses (with otel-dbmon[system]).",
                "Below 80 % at peak.",
                "At 100 % a Python process is at its end: more processes.",
            ),
            "percentunit",
            Query(cpu, "{{service}}"),
            limits=(0.8, 0.95),
            interval=_HOUR,
            link=links.OF_SERIES,
        ),
        ranking(
            "Memory of the largest process",
            Told(
                "Resident memory now, and what a straight line through the time shown gives when as much time has "
                "passed "
                "again (with otel-dbmon[system]). A process younger than the time shown is forecast from its start, "
                "which "
                "is too much.",
                "Forecast and now alike.",
                "A forecast near the container's limit: look for a leak before it is killed.",
            ),
            (LABEL_SERVICE,),
            Query(worst(memory, LABEL_SERVICE), column="Now", unit="bytes"),
            Query(f"clamp_min({worst(ahead, LABEL_SERVICE)}, 0)", column="Forecast", unit="bytes"),
            height=8,
            links={LABEL_SERVICE: [links.OF_ROW]},
        ),
    )
