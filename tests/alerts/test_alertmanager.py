"""Who is told of an alert: amtool follows the routes; a real Alertmanager groups, inhibits, words and delivers."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from listening import Listener, until
from programs import need
from rulebook import ROOT, alerts
from running import Alertmanager, Prometheus

from otel_dbmon.deploy.credentials import create_secrets

_CONFIGURATION = ROOT / "collector-config" / "alertmanager" / "alertmanager.yml"
_ROUTES = yaml.safe_load(Path(__file__).with_name("routes.yaml").read_text(encoding="utf-8"))


def _amtool(*arguments: object) -> str:
    command = [str(part) for part in (need("amtool"), *arguments)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_amtool_accepts_the_configuration() -> None:
    """The oldest Alertmanager that is supported reads the configuration and its templates."""
    assert "SUCCESS" in _amtool("check-config", _CONFIGURATION)


@pytest.mark.parametrize("route", _ROUTES, ids=lambda route: " ".join(map(str, route["labels"].values())))
def test_an_alert_goes_to_its_receivers(route: dict[str, Any]) -> None:
    """Severity and team decide who is told."""
    labels = [f"{name}={value}" for name, value in route["labels"].items()]
    _amtool(
        *("config", "routes", "test", f"--config.file={_CONFIGURATION}"),
        *(f"--verify.receivers={','.join(route['receivers'])}", *labels),
    )


def test_every_alert_is_told_to_somebody_beside_the_webhook() -> None:
    """No rule has labels that only the route for everything knows."""
    for alert in alerts():
        labels = [f"{name}={value}" for name, value in {"alertname": alert.name, **alert.data["labels"]}.items()]
        receivers = _amtool("config", "routes", "test", f"--config.file={_CONFIGURATION}", *labels).strip()
        assert receivers != "webhook", alert.name


def test_no_secret_is_in_the_files() -> None:
    """Everything that must not be known comes from a file in secrets/."""
    for name in ("alertmanager", "prometheus"):
        text = (ROOT / "collector-config" / name / f"{name}.yml").read_text(encoding="utf-8")
        for key in ("password:", "credentials:", "routing_key:", "service_key:", "api_url:", "bearer_token:"):
            assert f" {key}" not in text


@dataclass
class Stage:
    """An Alertmanager, and the servers that it delivers to: with TLS and a password, and plain."""

    alertmanager: Alertmanager
    webhook: Listener
    plain: Listener

    def fire(self, *firing: dict[str, Any], ended: bool = False) -> None:
        """Hand over alerts as Prometheus does."""
        now = datetime.now(timezone.utc)
        ends = now - timedelta(seconds=1) if ended else now + timedelta(minutes=5)
        # An alert that is older than the time that a group waits would not wait.
        begins = now - timedelta(seconds=5) if ended else now
        times = {"startsAt": begins.isoformat(), "endsAt": ends.isoformat()}
        self.alertmanager.ask("/api/v2/alerts", [{**found, **times} for found in firing])

    def told(self, **labels: str) -> list[dict[str, Any]]:
        """The messages to the webhook that hold an alert with these labels."""
        return [
            message
            for message in self.webhook.to("/alerts")
            if any(labels.items() <= found["labels"].items() for found in message["alerts"])
        ]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates and passwords as `otel-dbmon deploy` makes them."""
    folder = tmp_path_factory.mktemp("stack") / "secrets"
    create_secrets(folder)
    return folder


@pytest.fixture(scope="module")
def stage(secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One for all tests here; each test's alerts are about a service of its own."""
    login = ("alertmanager", (secrets / "alertmanager.password").read_text().strip())
    alertmanager = Alertmanager(tmp_path_factory.mktemp("running"), secrets)
    with Listener(secrets, login) as webhook, Listener() as plain:
        (secrets / "slack.url").write_text(f"{plain.url}/slack")
        (secrets / "pagerduty-database.key").write_text("key-of-database")
        (secrets / "watchdog.password").write_text("secret")
        alertmanager.deliver_to(webhook.url, plain.url)
        with alertmanager:
            yield Stage(alertmanager, webhook, plain)


def _alert(alertname: str, severity: str, concern: str, **labels: str) -> dict[str, Any]:
    """An alert with the labels that rules give it, and short texts."""
    return {
        "labels": {"alertname": alertname, "severity": severity, "team": "database", "concern": concern, **labels},
        "annotations": {
            "summary": f"{alertname} in short",
            "description": "At length.",
            "runbook_url": f"docs/runbooks/{alertname}.md",
        },
    }


def _pool(alertname: str, severity: str, service: str, pool: str) -> dict[str, Any]:
    return _alert(alertname, severity, "pool", service=service, database="shop", pool=pool)


def test_one_database_is_one_message(stage: Stage) -> None:
    """Three services that miss the same database are one message of three alerts, another database is another."""
    stage.fire(
        *(
            _alert("DatabaseUnreachable", "critical", "availability", service=f"grouped-{number}", database="grouped")
            for number in range(3)
        ),
        _alert("DatabaseUnreachable", "critical", "availability", service="grouped-0", database="other"),
    )
    until(lambda: stage.told(database="grouped") and stage.told(database="other"), "both messages")
    (first, *_) = stage.told(database="grouped")
    assert {found["labels"]["service"] for found in first["alerts"]} == {"grouped-0", "grouped-1", "grouped-2"}
    assert first["groupLabels"] == {"alertname": "DatabaseUnreachable", "database": "grouped"}
    assert len(stage.told(database="other")[0]["alerts"]) == 1


def test_a_critical_alert_silences_its_warnings(stage: Stage) -> None:
    """A full pool silences the warnings of that pool; those of other pools, and about other things, come."""
    stage.fire(
        _pool("DatabasePoolExhausted", "critical", "silenced", "full"),
        _pool("DatabasePoolNearlyExhausted", "warning", "silenced", "full"),
        _pool("DatabasePoolTimeouts", "warning", "silenced", "full"),
        _pool("DatabasePoolNearlyExhausted", "warning", "silenced", "other"),
        _pool("DatabasePoolNearlyExhausted", "warning", "somebody-else", "full"),
        _alert("DatabaseLatencyHigh", "warning", "latency", service="silenced", database="shop"),
    )
    until(lambda: stage.told(service="silenced", alertname="DatabaseLatencyHigh"), "the last of them")
    until(lambda: stage.told(service="silenced", pool="other") and stage.told(service="somebody-else"), "the others")
    until(lambda: stage.told(service="silenced", alertname="DatabasePoolExhausted"), "the critical one")
    assert not stage.told(service="silenced", alertname="DatabasePoolNearlyExhausted", pool="full")
    assert not stage.told(service="silenced", alertname="DatabasePoolTimeouts")
    assert _suppressed(stage, "silenced") == {("DatabasePoolNearlyExhausted", "full"), ("DatabasePoolTimeouts", "full")}


def test_an_unreachable_database_silences_what_follows_from_it(stage: Stage) -> None:
    """Errors, pools and slowness of the same service and database are silent, also where they name no database."""
    stage.fire(
        _alert("DatabaseUnreachable", "critical", "availability", service="cut-off", database="shop"),
        _alert("DatabaseErrorRateHigh", "critical", "errors", service="cut-off", database="shop"),
        _pool("DatabasePoolExhausted", "critical", "cut-off", "full"),
        _alert("DatabaseQueriesSlow", "warning", "latency", service="cut-off"),
        _alert("DatabaseErrorRateHigh", "critical", "errors", service="cut-off", database="stock"),
        _alert("DatabaseQueriesSlow", "warning", "latency", service="not-cut-off"),
    )
    until(lambda: stage.told(service="cut-off", database="stock") and stage.told(service="not-cut-off"), "the others")
    until(lambda: stage.told(service="cut-off", alertname="DatabaseUnreachable"), "the cause")
    assert _suppressed(stage, "cut-off") == {
        ("DatabaseErrorRateHigh", ""),
        ("DatabasePoolExhausted", "full"),
        ("DatabaseQueriesSlow", ""),
    }
    assert not stage.told(service="cut-off", alertname="DatabaseQueriesSlow")


def test_a_gateway_that_is_down_silences_services_that_seem_to_be_missing(stage: Stage) -> None:
    """One message instead of one for each service."""
    missing = _alert("TelemetryMissing", "warning", "telemetry", service="unseen")
    stage.fire(_alert("TelemetryDown", "critical", "telemetry", instance="gateway:8889"), missing)
    until(lambda: stage.told(alertname="TelemetryDown"), "the cause")
    until(lambda: _suppressed(stage, "unseen") == {("TelemetryMissing", "")}, "silence")
    stage.fire(_alert("TelemetryDown", "critical", "telemetry", instance="gateway:8889"), ended=True)
    until(lambda: stage.told(alertname="TelemetryMissing"), "the service that is missing all the same")


def _suppressed(stage: Stage, service: str) -> set[tuple[str, str]]:
    """Name and pool of the alerts about a service that Alertmanager keeps to itself because of another."""
    found = stage.alertmanager.ask("/api/v2/alerts?active=true&inhibited=true")
    return {
        (alert["labels"]["alertname"], alert["labels"].get("pool", ""))
        for alert in found
        if alert["labels"].get("service") == service and alert["status"]["inhibitedBy"]
    }


def test_the_end_is_told_as_well(stage: Stage) -> None:
    """An alert that ended is delivered once more, as resolved."""
    alert = _alert("DatabaseDeadlocks", "warning", "errors", service="over", database="over")
    stage.fire(alert)
    until(lambda: stage.told(service="over"), "the alert")
    stage.fire(alert, ended=True)
    until(lambda: [found["status"] for found in stage.told(service="over")] == ["firing", "resolved"], "its end")


def test_messages_show_statements_and_runbook(stage: Stage) -> None:
    """Slack gets the summary, the costliest statements and where the runbook is, under a title and in a colour."""
    alert = _alert("DatabaseLatencyHigh", "warning", "latency", service="wordy", database="wordy")
    alert["annotations"]["statements"] = "SELECT orders (2s each second), UPDATE users (200ms each second)"
    alert["annotations"]["summary"] = "wordy: slow on wordy"
    stage.fire(alert)

    def posts() -> list[dict[str, Any]]:
        attachments = [message["attachments"][0] for message in stage.plain.to("/slack")]
        return [attachment for attachment in attachments if "wordy" in attachment["title"]]

    until(posts, "the message")
    (post,) = posts()
    assert post["title"] == "[FIRING 1] wordy: slow on wordy"
    assert post["color"] == "warning"
    assert post["text"].splitlines() == [
        "firing: wordy: slow on wordy",
        "At length.",
        "Statements: SELECT orders (2s each second), UPDATE users (200ms each second)",
        "Runbook: docs/runbooks/DatabaseLatencyHigh.md",
    ]


def test_who_is_on_duty_is_paged_with_the_teams_key(stage: Stage) -> None:
    """PagerDuty gets the routing key from the team's file, and a title for several alerts."""
    labels = {"service": "paged", "database": "paged"}
    stage.fire(*(_alert("DatabaseErrorRateHigh", "critical", "errors", **labels, instance=one) for one in "ab"))

    def pages() -> list[dict[str, Any]]:
        return [page for page in stage.plain.to("/pagerduty") if " on paged" in page["payload"]["summary"]]

    until(pages, "the page")
    page = pages()[0]
    assert page["routing_key"] == "key-of-database"
    assert page["payload"]["summary"] == "[FIRING 2] DatabaseErrorRateHigh in paged on paged"
    assert page["payload"]["severity"] == "critical"


def test_a_way_without_its_secret_holds_up_no_other(stage: Stage) -> None:
    """Where a team has no PagerDuty key, Alertmanager starts all the same, and the webhook and Slack are told."""
    assert not (stage.alertmanager.secrets / "pagerduty-platform.key").exists()
    alert = _alert("DatabaseErrorRateHigh", "critical", "errors", service="keyless", database="keyless")
    alert["labels"]["team"] = "platform"
    stage.fire(alert)
    until(lambda: stage.told(service="keyless"), "the webhook")
    until(lambda: "#platform-alerts" in {message["channel"] for message in stage.plain.to("/slack")}, "Slack")


def test_prometheus_hands_over_its_alerts(stage: Stage, secrets: Path, tmp_path: Path) -> None:
    """Prometheus loads the rules, finds Alertmanager behind TLS and a password, and the watchdog arrives.

    What the rules select of Prometheus and Alertmanager themselves is there, with the labels that are declared.
    """
    prometheus = Prometheus(tmp_path, secrets)
    prometheus.look_at(prometheus=prometheus.address, alertmanager=stage.alertmanager.address)
    with prometheus:
        until(lambda: stage.plain.to("/watchdog"), "the watchdog")
        names = ("prometheus_sd_discovered_targets", "prometheus_notifications_dropped_total")
        names += ("prometheus_rule_evaluation_failures_total", "alertmanager_notifications_failed_total")
        for name in names:
            until(lambda name=name: _query(prometheus, name), name)  # type: ignore[misc]
        assert {found["job"] for found in _query(prometheus, "up == 1")} == {"prometheus", "alertmanager"}
        assert not _query(prometheus, "prometheus_rule_evaluation_failures_total > 0")
        # The gateway has no target here: the rule about it sees that.
        until(lambda: _query(prometheus, 'ALERTS{alertname="TelemetryDown"}'), "the missing gateway")
    (message, *_) = stage.plain.to("/watchdog")
    assert [found["labels"]["alertname"] for found in message["alerts"]] == ["Watchdog"]


def _query(prometheus: Prometheus, query: str) -> list[dict[str, str]]:
    answer = prometheus.ask(f"/api/v1/query?query={urllib.parse.quote(query)}")
    return [found["metric"] for found in answer["data"]["result"]]


def test_strangers_get_no_answer(stage: Stage, secrets: Path, tmp_path: Path) -> None:
    """A caller with a certificate and a wrong password is refused."""
    stranger = Alertmanager(tmp_path, tmp_path / "secrets")
    stranger.address = stage.alertmanager.address
    (tmp_path / "secrets").mkdir()
    for name in ("ca.pem", "operator.pem", "operator.key"):
        (tmp_path / "secrets" / name).write_bytes((secrets / name).read_bytes())
    (tmp_path / "secrets" / "operator.password").write_text("guessed")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        stranger.ask("/api/v2/alerts")
