"""From a service on PostgreSQL to every destination, with TLS and authentication on each step."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import Metrics
from processes import until
from stack import Service, Stack, running

from otel_dbmon.deploy.credentials import create_secrets

CANARY = "ann.canary@example.com"
#: The series of the specification, word for word.
SPECIFIED = [
    'database_query_duration_seconds_count{service="user-svc",operation="SELECT",table="products"}',
    'database_query_duration_seconds_sum{service="user-svc",operation="SELECT",table="products"}',
    'database_query_duration_seconds_bucket{service="user-svc",operation="SELECT",table="products",le="0.05"}',
    'database_connections_active{service="user-svc",database="user_svc"}',
    'database_errors_total{service="user-svc",error_type="integrity"}',
]
DESTINATIONS = ["scraped by Prometheus 2", "sent to Prometheus 3", "written to VictoriaMetrics"]
#: Who listens -> whether a password is asked for besides the certificate.
LISTENERS = {
    "agent_http": False,
    "gateway_http": False,
    "gateway_metrics": False,
    "agent_grpc": False,
    "gateway_grpc": False,
    "prometheus": True,
    "prometheus3": True,
    "alertmanager": True,
}


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, secrets: Path, collector: Path, prometheus3: Path
) -> Iterator[Stack]:
    """Everything, and nobody there yet."""
    with running(tmp_path_factory.mktemp("flow"), secrets, collector, prometheus3) as everything:
        yield everything


@pytest.fixture(scope="module")
def service(stack: Stack) -> Service:
    """The shop, after some visitors."""
    shop = stack.shop("user-svc")
    shop.process.start()
    form = {"name": "Ann", "email": CANARY, "city": "Oslo"}
    for _ in range(5):
        assert shop.visit("/products/1") == 200
        assert shop.visit(f"/customers/search?email={CANARY}") == 200
        assert shop.visit("/customers", form) == 500
    return shop


def holding(stack: Stack, destination: str) -> Metrics:
    """What a destination holds."""
    return dict(zip(DESTINATIONS, (stack.metrics, stack.metrics3, stack.remote), strict=True))[destination]


@pytest.mark.parametrize("destination", DESTINATIONS)
@pytest.mark.parametrize("series", SPECIFIED, ids=lambda series: series.partition("{")[0])
def test_series_of_the_specification(stack: Stack, service: Service, destination: str, series: str) -> None:
    """Each is there under its name, with its labels, whichever way the metrics took."""
    metrics = holding(stack, destination)
    until(f"{series} is {destination}", lambda: metrics.series(series))
    found = metrics.series(series)
    assert {labels["job"] for labels in found} == {"user-svc"}
    assert all(labels["instance"] for labels in found)
    if "errors" in series:
        assert sum(labels["value"] for labels in found) == 5


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_label_service_is_on_all_series(stack: Stack, service: Service, destination: str) -> None:
    """The conventions' own series, which come without it, get it on the way."""
    metrics = holding(stack, destination)
    until("it is there", lambda: metrics.series('db_client_operation_duration_seconds_count{service="user-svc"}'))
    assert metrics.series('{job="user-svc",service!="user-svc",__name__!="target_info"}') == []


@pytest.mark.parametrize("destination", DESTINATIONS[:2])
def test_exemplars_lead_to_stored_spans(stack: Stack, service: Service, destination: str) -> None:
    """An exemplar of a statement's duration names a span that is in the trace store."""
    metrics = holding(stack, destination)
    query = 'database_query_duration_seconds_bucket{service="user-svc"}'
    until("there are exemplars", lambda: metrics.exemplars(query))
    wanted = {(item["labels"]["trace_id"], item["labels"]["span_id"]) for item in metrics.exemplars(query)}
    until(
        "their spans are stored",
        lambda: wanted <= {(span["traceId"], span["spanId"]) for span in stack.stored_spans()},
    )


def test_spans_arrive_without_values(stack: Stack, service: Service) -> None:
    """The store has the statements, and nothing a person typed."""
    until("statements are stored", lambda: any("db.query.text" in span["attributes"] for span in stack.stored_spans()))
    assert CANARY not in stack.store_file.read_text()


def test_collectors_tell_of_themselves(stack: Stack, service: Service) -> None:
    """What each sent and refused is there, by job."""
    for job in ("otel-agent", "otel-gateway"):
        until(
            f"{job} is seen", lambda job=job: stack.metrics.series(f'otelcol_exporter_sent_spans_total{{job="{job}"}}')
        )


def test_postgresql_tells_of_itself(stack: Stack, service: Service) -> None:
    """Connections, locks, scans and deadlocks of the server, by database and table; no user's name."""
    for name in ("backends", "connection_max", "database_locks", "sequential_scans_total", "deadlocks_total"):
        until(f"{name} is there", lambda name=name: stack.metrics.series(f"postgresql_{name}"), 90)
    labels = {key for series in stack.metrics.series('{job="postgresql"}') for key in series}
    assert labels >= {"database", "table", "index"}
    assert not {label for label in labels if "user" in label or "rol" in label}


@pytest.mark.parametrize("listener", LISTENERS)
def test_stranger_is_refused(stack: Stack, listener: str, tmp_path: Path) -> None:
    """Nobody gets an answer without a certificate, or with one of another authority."""
    create_secrets(tmp_path / "foreign")
    nobody = ssl.create_default_context(cafile=stack.secrets / "ca.pem")
    foreigner = ssl.create_default_context(cafile=stack.secrets / "ca.pem")
    foreigner.load_cert_chain(tmp_path / "foreign" / "operator.pem", tmp_path / "foreign" / "operator.key")
    for context in (nobody, foreigner):
        with pytest.raises((ssl.SSLError, ConnectionError, urllib.error.URLError)):
            urllib.request.urlopen(stack.url(listener), context=context, timeout=5)


@pytest.mark.parametrize("listener", [name for name, password in LISTENERS.items() if password])
def test_certificate_is_not_enough(stack: Stack, listener: str) -> None:
    """Prometheus and Alertmanager ask for a password as well."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(stack.url(listener), context=stack.operator.context, timeout=5)
    refused.value.close()
    assert refused.value.code == 401


#: What a service without otel-dbmon might send: attributes of its span, and what must not be left of them.
LEAKS = {
    "postgresql": {"db.system.name": "postgresql", "db.query.text": f"SELECT * FROM users WHERE email = '{CANARY}'"},
    "old names": {"db.system": "mysql", "db.statement": f"UPDATE users SET email = '{CANARY}' WHERE id = 815815"},
    "oracle": {"db.system.name": "oracle.db", "db.query.text": f"SELECT a FROM t WHERE b = '{CANARY}' AND c = 815815"},
    "old oracle": {"db.system": "oracle", "db.statement": f"SELECT a FROM t WHERE b = '{CANARY}' AND c = 815815"},
    "no system": {"db.query.text": f"SELECT a FROM t WHERE b = '{CANARY}' AND c = 815815"},
    "double quotes": {"db.system.name": "microsoft.sql_server", "db.query.text": f'SELECT "{CANARY}"'},
    "unterminated": {"db.query.text": f"SELECT a FROM t WHERE b = '{CANARY}"},
    "parameters": {"db.system.name": "postgresql", "db.query.parameter.email": CANARY},
    "old parameters": {"db.system": "postgresql", "db.statement.parameters": f"['{CANARY}']"},
}


@pytest.mark.parametrize("leak", LEAKS)
def test_gateway_takes_out_what_a_service_left_in(stack: Stack, leak: str) -> None:
    """The second line of defence: literals, bound values, and what the database says of an error."""
    marker = f"second line: {leak}"
    message = f'duplicate key value violates unique constraint "users_email_key" Key (email)=({CANARY}) exists'
    send(stack, {"dbmon.test": marker, **LEAKS[leak]}, f"{message}: '{CANARY}'")
    until("it is stored", lambda: stored(stack, marker))
    (span,) = stored(stack, marker)
    assert CANARY not in json.dumps(span)
    assert "815815" not in json.dumps(span)
    if "db.query.text" in LEAKS[leak]:
        assert span["attributes"]["db.query.text"].startswith("SELECT")


def stored(stack: Stack, marker: str) -> list[dict[str, Any]]:
    """The span with a marker."""
    return [span for span in stack.stored_spans() if span["attributes"].get("dbmon.test") == marker]


def send(stack: Stack, attributes: dict[str, str], message: str) -> None:
    """Send one failed span to the gateway, as OTLP JSON."""
    event = {"name": "exception", "timeUnixNano": "1", "attributes": listed({"exception.message": message})}
    span = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "SELECT users",
        "kind": 3,
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
        "attributes": listed(attributes),
        "events": [event] if "db.system" in str(attributes) else [],
        "status": {"code": 2, "message": message} if "db.system" in str(attributes) else {"code": 2},
    }
    stack.operator.post(
        f"{stack.url('gateway_http')}/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    )


def listed(attributes: dict[str, str]) -> list[dict[str, Any]]:
    """A dict as OTLP JSON's attributes."""
    return [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
