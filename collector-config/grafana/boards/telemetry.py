"""The page about the telemetry itself: who reports, who fell silent, and what was lost on the way."""

from __future__ import annotations

from typing import Final

from boards import links
from boards.dashboard import Dashboard, Row, Variable
from boards.panels import Panel, Query, Told, figure, ranking, trend
from boards.promql import RANGE, RATE, Scope, number, ratio, total, worst
from boards.series import (
    ALERTS,
    COLLECTOR_ACCEPTED,
    COLLECTOR_ENQUEUE_FAILED,
    COLLECTOR_QUEUE_CAPACITY,
    COLLECTOR_QUEUE_SIZE,
    COLLECTOR_REFUSED,
    COLLECTOR_SEND_FAILED,
    INSTANCE,
    JOB,
    SCRAPE_DURATION,
    SCRAPE_SAMPLES,
    UP,
    Foreign,
)
from otel_dbmon_semconv.attributes import LABEL_SERVICE, LABEL_STAGE, LABEL_WHAT, OTEL_METRIC_OVERFLOW
from otel_dbmon_semconv.metrics import (
    DATABASE_QUERY_DURATION,
    DATABASE_QUERY_PATTERN_DURATION,
    DBMON_DROPPED,
    DBMON_FAILURES,
)
from otel_dbmon_semconv.settings import SETTINGS

SCOPE: Final = Scope(LABEL_SERVICE)
_OVERFLOW: Final = f'{OTEL_METRIC_OVERFLOW.replace(".", "_")}="true"'
_MAX_SERIES: Final = next(setting.default for setting in SETTINGS if setting.attribute == "max_series")


def dashboard() -> Dashboard:
    """The whole page."""
    rows = (
        Row("Who reports", _reporting()),
        Row("What otel-dbmon lost or could not do", _losses()),
        Row("Collectors", _collectors()),
        Row("Prometheus", _prometheus()),
    )
    return Dashboard(
        "dbmon-telemetry",
        "Database Telemetry",
        "Can the other dashboards be believed: does every process report, and was anything dropped on the way?",
        (Variable(LABEL_SERVICE),),
        rows,
    )


def _reporting() -> tuple[Panel, ...]:
    statements = SCOPE.select(DATABASE_QUERY_DURATION, "_count")
    process = (LABEL_SERVICE, JOB, INSTANCE)
    return (
        figure(
            "Processes that report",
            Told(
                "Processes that have sent a statement since they started and report now.",
                "As many as were deployed.",
                "Fewer: is the collector up, does the firewall let them through, does the log warn of an exporter?",
            ),
            "none",
            Query(number(number(statements, *process))),
        ),
        figure(
            "Oldest report",
            Told(
                "How old the newest figures are of the process that has reported least recently.",
                "Below two intervals of scraping or export (a minute unless set).",
                "Rising: that process hangs, or its collector does. After five minutes it is gone from here: see "
                "beside.",
            ),
            "s",
            Query(f"max(time() - {worst(f'timestamp({statements})', *process)})"),
            (90, 180),
        ),
        trend(
            "Processes by service",
            Told(
                "Processes of each service that report.",
                "Changes with deployments and scaling only.",
                "A step down that nobody made: the processes died, or their telemetry did.",
                runbook="TelemetryMissing",
            ),
            "none",
            Query(number(number(statements, *process), LABEL_SERVICE), "{{service}}"),
            width=8,
            link=links.OF_SERIES,
        ),
        ranking(
            "Fell silent",
            Told(
                "Processes that reported within the time shown and don't report now, and how many statements they "
                "had sent.",
                "Those that a deployment replaced.",
                "Others: look at their logs around their last report.",
                runbook="TelemetryMissing",
            ),
            process,
            Query(
                f"{total(f'last_over_time({statements}[{RANGE}])', *process)} unless {number(statements, *process)}",
                column="Statements",
                unit="locale",
            ),
            width=8,
            height=8,
            links={LABEL_SERVICE: [links.OF_ROW]},
            empty="nobody",
        ),
    )


def _losses() -> tuple[Panel, ...]:
    reports = f"0 * {number(SCOPE.select(DATABASE_QUERY_DURATION, '_count'), JOB)}"
    overflow = ratio(
        total(SCOPE.rate(DATABASE_QUERY_PATTERN_DURATION, "", _OVERFLOW), LABEL_SERVICE),
        total(SCOPE.rate(DATABASE_QUERY_PATTERN_DURATION), LABEL_SERVICE),
    )
    series = number(SCOPE.select(DATABASE_QUERY_DURATION, "_count"), LABEL_SERVICE, JOB, INSTANCE)
    return (
        trend(
            "Failures inside otel-dbmon",
            Told(
                "Failures per second by the stage that failed; the service never saw them, and spans left without "
                "text.",
                "Zero, which is shown where a process reports and has not failed.",
                "Please report it, with the service's log: it names the stage and the exception once.",
                runbook="TelemetryFailing",
            ),
            "cps",
            Query(f"{total(SCOPE.rate(DBMON_FAILURES), JOB, LABEL_STAGE)} or on (job) {reports}", "{{job}} {{stage}}"),
        ),
        trend(
            "Dropped by a bound",
            Told(
                "What was dropped per second, and by which bound. Nothing of it is missing in the totals: series and "
                "patterns go into the overflow series; spans are lost.",
                "Zero.",
                "series: raise OTEL_DBMON_MAX_SERIES or find the label with too many values. spans: the collector is "
                "slow "
                "or away.",
                runbook="TelemetryDropped",
            ),
            "cps",
            Query(total(SCOPE.rate(DBMON_DROPPED), JOB, LABEL_WHAT), "{{job}} {{what}}"),
        ),
        trend(
            "Series of the busiest process",
            Told(
                "Series of statements (operation, table, database) that the process with most of them holds.",
                f"Below half of OTEL_DBMON_MAX_SERIES ({_MAX_SERIES} unless set), and flat.",
                "Growing without end: table names that hold values, such as one table a day or a customer.",
                runbook="TelemetrySeriesOverflow",
            ),
            "none",
            Query(worst(series, LABEL_SERVICE), "{{service}}"),
            limits=(_MAX_SERIES / 2, _MAX_SERIES),
            link=links.OF_SERIES,
        ),
        trend(
            "Time of patterns without a row",
            Told(
                "The share of database time that belongs to patterns beyond the OTEL_DBMON_TOP_QUERIES costliest.",
                "Below 20 %.",
                "More: raise OTEL_DBMON_TOP_QUERIES, or look for statements that differ where they should be "
                "parameters.",
            ),
            "percentunit",
            Query(overflow, "{{service}}"),
            limits=(0.2, 0.5),
            link=links.OF_SERIES,
            most=1,
            empty="none",
        ),
    )


def _collectors() -> tuple[Panel, ...]:
    # Not of a service's processes, so no choice at the top concerns them.
    who = (JOB, INSTANCE)
    accepted = COLLECTOR_ACCEPTED["points"].prometheus_name
    lost = [
        Query(
            f"{_passing(metric)} or on (job, instance) 0 * {number(accepted, *who)}",
            f"{{{{job}}}} {{{{instance}}}}: {what} {signal}",
        )
        for what, metrics in (
            ("refused", COLLECTOR_REFUSED),
            ("not sent", COLLECTOR_SEND_FAILED),
            ("not queued", COLLECTOR_ENQUEUE_FAILED),
        )
        for signal, metric in metrics.items()
    ]
    return (
        trend(
            "What collectors take",
            Told(
                "Spans, and points of metrics, that each collector takes per second.",
                "Follows the load; points follow the number of processes.",
                "Nothing: services can't reach it. Look at their logs for the exporter's warning.",
            ),
            "cps",
            *(
                Query(_passing(metric), f"{{{{job}}}} {{{{instance}}}}: {signal}")
                for signal, metric in COLLECTOR_ACCEPTED.items()
            ),
            width=8,
            empty="no collector reports",
        ),
        trend(
            "What collectors lose",
            Told(
                "Spans and points per second that a collector did not let in, gave up sending, or could not queue.",
                "Zero, which is shown for each collector that reports.",
                "Its log names the exporter and the reason; what was refused is sent again by who sent it.",
                runbook="CollectorDropping",
            ),
            "cps",
            *lost,
            width=8,
            empty="no collector reports",
        ),
        trend(
            "Queues of collectors",
            Told(
                "How full the queue of each exporter is.",
                "Near zero; it fills while a destination is away and empties afterwards.",
                "Above 80 %: bring the destination back before the queue is full.",
                runbook="CollectorQueueFilling",
            ),
            "percentunit",
            Query(
                worst(
                    ratio(COLLECTOR_QUEUE_SIZE.prometheus_name, COLLECTOR_QUEUE_CAPACITY.prometheus_name),
                    *who,
                    "exporter",
                    "data_type",
                ),
                "{{instance}} {{exporter}}: {{data_type}}",
            ),
            limits=(0.5, 0.8),
            width=8,
            most=1,
            empty="no collector reports",
        ),
    )


def _passing(metric: Foreign) -> str:
    return total(f"rate({metric.prometheus_name}[{RATE}])", JOB, INSTANCE)


def _prometheus() -> tuple[Panel, ...]:
    return (
        figure(
            "Scrapes that fail",
            Told(
                "Targets of Prometheus that can't be scraped now.",
                "0.",
                "Its page of targets names each and the reason: certificate, password, or nobody there.",
                runbook="TargetDown",
            ),
            "none",
            Query(f"sum(1 - {UP.prometheus_name})"),
            (1, 1),
        ),
        figure(
            "Alerts that fire",
            Told(
                "All alerts that fire, the watchdog included.",
                "1 or more: the watchdog always fires.",
                "No data: Prometheus has no rules loaded, and nobody will be woken.",
                runbook="Watchdog",
            ),
            "none",
            Query(number(f'{ALERTS.prometheus_name}{{alertstate="firing"}}')),
            empty="no rules loaded",
        ),
        trend(
            "Samples of each scrape",
            Told(
                "Samples that one scrape of each target brings.",
                "Flat after the start.",
                "Growing: more series. Prometheus needs about 1 to 3 KiB of memory for each.",
            ),
            "none",
            Query(SCRAPE_SAMPLES.prometheus_name, "{{job}} {{instance}}"),
            width=8,
        ),
        trend(
            "How long each scrape takes",
            Told(
                "From the request to the last sample.",
                "Below a second.",
                "Near the scrape's timeout, figures will be missing.",
            ),
            "s",
            Query(SCRAPE_DURATION.prometheus_name, "{{job}} {{instance}}"),
            width=8,
            limits=(2, 8),
        ),
    )
