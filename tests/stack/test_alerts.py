"""Every alert of the specification fires from its real cause, reaches a webhook, and resolves when the cause is gone.

All causes happen at once, each in a service of its own, so that the alerts say which is which. The rules are the ones
that operators get; only time goes faster (see ``hurry.py``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from database import SecuredPostgreSQL
from ports import quiet_port
from processes import together, until
from stack import TEMPLATE, Stack, running
from traffic import Visitors
from webhook import Webhook

PATIENCE_S = 150
#: Alert, and the service it is about, by cause.
EXPECTED = {
    "a connection pool is exhausted": ("pool-svc", "DatabasePoolExhausted"),
    "a connection pool is nearly exhausted": ("busy-svc", "DatabasePoolNearlyExhausted"),
    "requests get no connection": ("burst-svc", "DatabasePoolTimeouts"),
    "the database is stopped": ("down-svc", "DatabaseUnreachable"),
    "statements fail": ("error-svc", "DatabaseErrorRateHigh"),
    "transactions deadlock": ("deadlock-svc", "DatabaseDeadlocks"),
    "statements are slow": ("slow-svc", "DatabaseQueriesSlow"),
    "the 95th percentile is high": ("slow-svc", "DatabaseLatencyHigh"),
    "a page loads row by row": ("pattern-svc", "DatabaseNPlusOne"),
    "reports are complex": ("pattern-svc", "DatabaseQueriesComplex"),
    "a plan changed": ("plan-svc", "DatabasePlanChanged"),
    "an index is missing": ("index-svc", "DatabaseIndexSuggested"),
    "a collector is gone": ("", "CollectorMissing"),
    "a service is gone": ("gone-svc", "TelemetryMissing"),
    "a service has too many series": ("wide-svc", "TelemetrySeriesOverflow"),
    "a service can't deliver its spans": ("lost-svc", "TelemetryDropped"),
    "the gateway can't deliver spans": ("", "CollectorDropping"),
    "the gateway's queue fills": ("otel-gateway", "CollectorQueueFilling"),
}
#: A warning that fires, and that nobody is told of, because a critical alert says more.
SILENCED = ("DatabasePoolNearlyExhausted", "pool-svc")
#: The service that nothing is wrong with.
WELL = "well-svc"
#: So many that looking through all of them for a customer's own is a mistake.
MANY_REVIEWS = """
INSERT INTO reviews SELECT number, 1, 1 + number % 400, 5, 'Just right.' FROM generate_series(10000, 50000) AS number
"""
#: What has to be known before it can be missed.
SEEN = [
    'database_query_duration_seconds_count{service="gone-svc"}',
    'database_query_duration_seconds_count{service="down-svc"}',
    'otelcol_process_uptime_seconds_total{instance="spare"}',
]
SILENT = 'ALERTS{service="pool-svc",severity="warning",alertstate="firing"}'
CRITICAL = {"DatabasePoolExhausted", "DatabaseErrorRateHigh", "DatabaseUnreachable"}
INFO = {"DatabaseNPlusOne", "DatabaseQueriesComplex", "DatabasePlanChanged", "DatabaseIndexSuggested"}
#: An index comes and goes.
CHANGES = ("CREATE INDEX IF NOT EXISTS by_customer ON reviews (customer_id)", "DROP INDEX IF EXISTS by_customer")


class Story:
    """What the webhook was told while the causes were there, and after.

    Attributes:
        fired: Alerts that fired, with what was told of each.
        resolved: Those that resolved afterwards.
        silenced: What fires for Prometheus in the service whose pool is exhausted.
    """

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook
        self.fired = self.resolved = self.silenced = set[tuple[str, str]]()

    def wait(self, status: str) -> set[tuple[str, str]]:
        """Those of the expected alerts that came in this state before patience ended."""
        expected = {(alert, service) for service, alert in EXPECTED.values()}
        deadline = time.monotonic() + PATIENCE_S
        seen: set[tuple[str, str]] = set()
        while seen != expected and time.monotonic() < deadline:
            seen |= {key for key in expected if self._webhook.was_told(*key, status)}
            time.sleep(0.2)
        return seen

    def label(self, alert: str, service: str, name: str) -> str:
        """A label of an alert."""
        return str(self._webhook.alerts[alert, service]["labels"].get(name))

    def annotations(self, alert: str, service: str) -> dict[str, str]:
        """What an alert says in words."""
        return dict(self._webhook.alerts[alert, service]["annotations"])

    def about(self, service: str) -> set[str]:
        """Every alert that was ever told about a service."""
        return {alert for alert, about in self._webhook.told if about == service}


@pytest.fixture(scope="module")
def story(
    tmp_path_factory: pytest.TempPathFactory, secrets: Path, collector: Path, prometheus3: Path
) -> Iterator[Story]:
    """Everything happens, and then stops happening."""
    folder = tmp_path_factory.mktemp("alerts")
    with ExitStack() as opened:
        # A queue that fills within a test.
        stack = opened.enter_context(running(folder, secrets, collector, prometheus3, DBMON_QUEUE_BYTES="3000000"))
        webhook = opened.enter_context(Webhook(secrets, stack.ports["webhook"]))
        other = opened.enter_context(SecuredPostgreSQL(secrets))
        other.fill(TEMPLATE)
        ends = list(begin(stack, other, opened))
        told = Story(webhook)
        for seen in SEEN:
            until(f"{seen} is there", lambda series=seen: stack.metrics.series(series))
        other.stop()
        stopped = [stack.processes[name] for name in ("gone-svc", "spare", "store")]
        for process in stopped:
            process.stop()
        told.fired = told.wait("firing")
        until("a warning to silence fires", lambda: stack.metrics.series(SILENT), PATIENCE_S)
        told.silenced = {(alert["alertname"], alert["service"]) for alert in stack.metrics.series(SILENT)}
        for end in ends:
            end()
        together(*stopped)
        other.start()
        stack.database.execute("CREATE INDEX ON reviews (customer_id)", "index_svc")
        told.resolved = told.wait("resolved")
        yield told


def begin(stack: Stack, other: SecuredPostgreSQL, opened: ExitStack) -> Iterator[Callable[[], object]]:
    """Start the services and their visitors; give what sends the mischievous ones home."""
    nowhere = f"https://localhost:{quiet_port()}/v1/traces"
    services = [
        pool := stack.shop("pool-svc", pool=4),
        busy := stack.shop("busy-svc", pool=10),
        burst := stack.shop("burst-svc", pool=2),
        slow := stack.shop("slow-svc", pool=10),
        deadlock := stack.shop("deadlock-svc"),
        error := stack.shop("error-svc"),
        pattern := stack.shop("pattern-svc"),
        well := stack.shop(WELL),
        down := stack.shop("down-svc", url=other.url_of(TEMPLATE, "+psycopg")),
        gone := stack.shop("gone-svc"),
        wide := stack.shop("wide-svc", OTEL_DBMON_MAX_SERIES="12"),
        index := stack.shop("index-svc"),
        plan := stack.shop(
            "plan-svc",
            OTEL_DBMON_EXPLAIN="slow",
            OTEL_DBMON_EXPLAIN_INTERVAL="1000",
            OTEL_DBMON_SLOW_QUERY_THRESHOLD="0",
        ),
        lost := stack.shop(
            "lost-svc", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=nowhere, OTEL_EXPORTER_OTLP_TRACES_TIMEOUT="1"
        ),
    ]
    together(*(service.process for service in services))
    for database in ("index_svc", "plan_svc"):
        stack.database.execute(MANY_REVIEWS, database)
    # What fills the table is no part of what the index has to pay off for.
    for statement in ("ANALYZE", "SELECT pg_stat_statements_reset()"):
        stack.database.execute(statement, "index_svc")
    together(
        stack.run_collector("spare", ["agent.yaml"]),
        stack.adviser("index-svc", stack.database.url_of("index_svc")),
    )
    form = {"name": "Ann", "email": "ann@example.com", "city": "Oslo"}
    well_behaved = [
        Visitors(lambda _: well.visit("/products/1"), 2),
        Visitors(lambda _: well.visit("/products/1/reviews")),
        Visitors(lambda _: down.visit("/products/1")),
        Visitors(lambda number: index.visit(f"/reviewers/{number}")),
        Visitors(lambda number: plan.visit(f"/reviewers/{number}")),
        Visitors(lambda _: gone.visit("/products/1")),
        Visitors(lambda _: error.visit("/products/1"), pause=0.05),
    ]
    mischievous = [
        Visitors(lambda _: pool.visit("/hold?seconds=300", timeout=300), 4, pause=0.5),
        Visitors(lambda _: busy.visit("/hold?seconds=300", timeout=300), 9, pause=0.5),
        Visitors(lambda _: burst.visit("/hold?seconds=0.8"), 4, pause=4),
        Visitors(lambda _: slow.visit("/sleep?seconds=1.3"), 5),
        # The first customers were seeded with their numbers: the sequence's next ones are taken.
        Visitors(lambda _: error.visit("/customers", form)),
        # So few that their share, which would be critical, is not judged.
        Visitors(lambda _: deadlock.visit("/deadlock"), pause=2),
        Visitors(lambda _: pattern.visit("/orders"), 2, pause=0.3),
        Visitors(lambda _: pattern.visit("/reports/best-customers"), pause=0.3),
        Visitors(lambda number: wide.visit(f"/wide/{number}")),
        Visitors(lambda number: _change(stack, number), pause=3),
        Visitors(lambda _: lost.visit("/products/1")),
    ]
    for visitors in (*well_behaved, *mischievous):
        opened.enter_context(visitors)
    for service in (pool, busy):
        yield lambda service=service: service.visit("/let-go")
    for visitors in mischievous:
        yield visitors.leave


def _change(stack: Stack, number: int) -> int:
    stack.database.execute(CHANGES[number % 2], "plan_svc")
    return 200


@pytest.mark.parametrize("cause", EXPECTED)
def test_cause_raises_its_alert(story: Story, cause: str) -> None:
    """The alert reaches the webhook, in its severity, with words and a runbook."""
    service, alert = EXPECTED[cause]
    assert (alert, service) in story.fired
    severity = "critical" if alert in CRITICAL else "info" if alert in INFO else "warning"
    assert story.label(alert, service, "severity") == severity
    annotations = story.annotations(alert, service)
    assert annotations["summary"]
    assert annotations["runbook_url"].endswith(f"{alert}.md")


@pytest.mark.parametrize("cause", EXPECTED)
def test_alert_resolves_with_its_cause(story: Story, cause: str) -> None:
    """When the cause is gone, the webhook is told so."""
    service, alert = EXPECTED[cause]
    assert (alert, service) in story.resolved


def test_nothing_fires_without_a_cause(story: Story) -> None:
    """A service that does its work is not complained about, though it shares everything with those that don't."""
    assert story.about(WELL) == set()


def test_critical_silences_its_warnings(story: Story) -> None:
    """Who is told that a pool is exhausted is not told as well that it nearly is."""
    assert SILENCED in story.silenced
    assert SILENCED[0] not in story.about(SILENCED[1])
