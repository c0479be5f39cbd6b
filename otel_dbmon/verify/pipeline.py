"""Checks the way of data: a statement is run as the service would, and looked for at each station.

First its telemetry goes to a receiver of ours, which sees every byte: no canary may be in it. Then it goes where the
service's telemetry goes, and has to turn up at the gateway and in Prometheus.
"""

from __future__ import annotations

import secrets as random
import threading
from functools import lru_cache

from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_dbmon.demo.receiver import Receiver
from otel_dbmon.verify.asking import ask, ask_prometheus, patiently
from otel_dbmon.verify.check import Check
from otel_dbmon.verify.interpreter import probe
from otel_dbmon.verify.results import Result, Status, failed, ok, skipped
from otel_dbmon.verify.target import Target

#: What the probe is called in all telemetry; rules leave it out of what may go missing.
SERVICE = "otel-dbmon-verify"
_SERIES = "database_query_duration_seconds_count"
_TLS = ("OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_KEY")


class _Inbox:
    """Keeps what the receiver got."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.texts: list[str] = []
        self._lock = threading.Lock()

    def take(self, message: Message, body: bytes) -> None:
        """Keep one request."""
        with self._lock:
            self.bodies.append(body)
            if isinstance(message, ExportTraceServiceRequest):
                self.texts += [
                    attribute.value.string_value
                    for group in message.resource_spans
                    for scope in group.scope_spans
                    for span in scope.spans
                    for attribute in span.attributes
                    if attribute.key in ("db.query.text", "db.statement")
                ]


def _sanitizing(target: Target) -> Result:
    canary = f"canary{random.token_hex(8)}"
    inbox = _Inbox()
    with Receiver(inbox.take) as receiver:
        addresses = {f"OTEL_EXPORTER_OTLP_{kind}ENDPOINT": "" for kind in ("TRACES_", "METRICS_", "LOGS_")}
        answer = probe(
            target.python,
            _environment(
                target,
                canary,
                **{
                    **addresses,
                    "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
                    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                    "OTEL_EXPORTER_OTLP_INSECURE": "true",
                    **dict.fromkeys(_TLS, ""),
                },
            ),
        )
    if not inbox.bodies:
        return failed("nothing left the probe", "see the checks `versions`, `distros` and `exporters`")
    if any(canary.encode() in body for body in inbox.bodies):
        advice = "start the service with opentelemetry-instrument, and see the checks `distros` and `settings`"
        return failed("a value left the process", advice)
    if not inbox.texts and target.environment.get("OTEL_DBMON_QUERY_TEXT", "true").lower() != "false":
        return failed("no statement left the probe", "see the checks `versions`, `distros` and `instrumentations`")
    count = sum(map(len, inbox.bodies))
    return ok(f"{len(inbox.texts)} statements of {answer['how']}: no value in {count:,} bytes of telemetry")


@lru_cache
def _sent(target: Target) -> dict[str, str]:
    """One probe for all stations: the instance it had, and what exporters complained of."""
    instance = f"verify-{random.token_hex(6)}"
    canary = f"canary{random.token_hex(8)}"
    otlp = _destination(target)
    answer = probe(
        target.python,
        _environment(
            target,
            canary,
            OTEL_EXPORTER_OTLP_ENDPOINT=otlp,
            OTEL_RESOURCE_ATTRIBUTES=f"service.instance.id={instance}",
            **_credentials(target, otlp),
        ),
    )
    return {"instance": instance, "canary": canary, "complaints": "; ".join(dict.fromkeys(answer["complaints"]))}


def _destination(target: Target) -> str:
    """What the command line or the deployment says: names of a service's own network may mean nothing here."""
    return target.addresses.get("otlp") or target.otlp


def _credentials(target: Target, otlp: str) -> dict[str, str]:
    """The service's certificate: what its environment names, or else what the deployment made."""
    if target.secrets is None or not otlp.startswith("https:"):
        return {}
    folder = target.secrets.resolve()
    return dict(zip(_TLS, (str(folder / name) for name in ("ca.pem", "service.pem", "service.key")), strict=True))


def _environment(target: Target, canary: str, **own: str) -> dict[str, str]:
    """The service's environment, impatient and under a name of its own."""
    wanted = {
        "OTEL_EXPORTER_OTLP_TIMEOUT": "5",
        **target.environment,
        "OTEL_SERVICE_NAME": SERVICE,
        "OTEL_TRACES_SAMPLER": "always_on",
        "OTEL_METRIC_EXPORT_INTERVAL": "60000",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_DBMON_PROMETHEUS": "false",
        "NO_PROXY": "localhost,127.0.0.1",
        "DBMON_CANARY": canary,
        **own,
    }
    # Empty means unset, but the oldest SDK that is supported sends to an empty address.
    return {name: value for name, value in wanted.items() if value}


def _accepted(target: Target) -> Result:
    otlp = _destination(target)
    if not otlp:
        return skipped("it is not known where telemetry goes", "set OTEL_EXPORTER_OTLP_ENDPOINT or give --otlp")
    complaints = _sent(target)["complaints"]
    if complaints:
        advice = "is the agent running, and are the three TLS files the service's? See `certificates`"
        return failed(f"{otlp}: {complaints}", advice)
    return ok(f"{otlp} took spans and metrics")


def _at_collector(target: Target) -> Result:
    address = target.addresses.get("gateway")
    if not address:
        return skipped("the gateway's address is not known", "give --gateway")
    if _accepted(target).status is not Status.OK:
        return skipped("nothing was sent", "see the check `accepted`")
    sent = _sent(target)
    url = f"{address.rstrip('/')}/metrics"

    def look() -> Result | None:
        page = ask(url, target.secrets).text
        lines = [line for line in page.splitlines() if line.startswith(_SERIES) and f'service="{SERVICE}"' in line]
        if sent["canary"] in page:
            return failed(f"{url}: a value is in the metrics", "take the service down, and tell the maintainers")
        if any(sent["instance"] in line for line in lines):
            return ok(f"{url} shows {_SERIES} of the probe, in {len(lines)} series")
        return None

    return patiently(look, target.timeout_s) or failed(
        f"{url}: {_SERIES} of the probe did not turn up within {target.timeout_s:.0f} s",
        "look at the logs of agent and gateway, and at otelcol_exporter_send_failed_* in Prometheus",
    )


def _in_prometheus(target: Target) -> Result:
    address = target.addresses.get("prometheus")
    if not address:
        return skipped("Prometheus's address is not known", "give --prometheus")
    if _accepted(target).status is not Status.OK:
        return skipped("nothing was sent", "see the check `accepted`")
    query = f'{_SERIES}{{service="{SERVICE}",instance="{_sent(target)["instance"]}"}}'

    def look() -> Result | None:
        found = ask_prometheus(address, target.secrets, query)
        if not found:
            return None
        labels = {name for series in found for name in series.labels}
        missing = {"service", "operation", "table"} - labels
        if missing:
            advice = "scrape the gateway with honor_labels: true, as collector-config/prometheus does"
            return failed(f"the series lack the labels {', '.join(sorted(missing))}", advice)
        return ok(f"{address} holds {_SERIES} of the probe, in {len(found)} series")

    return patiently(look, target.timeout_s) or failed(
        f"{address}: {_SERIES} of the probe did not turn up within {target.timeout_s:.0f} s",
        "look at Status > Targets for the job `gateway`, and at the check `collector`",
    )


def _services(target: Target) -> Result:
    address = target.addresses.get("prometheus")
    wanted = [target.service] if target.service else list(target.services)
    if not address or not wanted:
        return skipped("no service or no Prometheus is named", "give --deployment, or --service and --prometheus")
    query = f"group by (service) ({_SERIES})"
    seen = {series.labels.get("service") for series in ask_prometheus(address, target.secrets, query)}
    missing = [name for name in wanted if name not in seen]
    if missing:
        advice = "has it run a statement since it was started again, with its new dependency and environment?"
        return failed(f"no statements of {', '.join(missing)} in Prometheus", advice)
    return ok(f"statements of {', '.join(wanted)} are in Prometheus")


def _sentry(target: Target) -> Result:
    if not target.environment.get("SENTRY_DSN"):
        return skipped("SENTRY_DSN is not set", "run it with the service's environment, or --env-file")
    environment = _environment(target, "canary", DBMON_PROBE_SENTRY="1", OTEL_TRACES_EXPORTER="none")
    link = probe(target.python, {**environment, "OTEL_METRICS_EXPORTER": "none"})["sentry"]
    if link == "linked":
        return ok("an error that Sentry is told of carries the trace it belongs to")
    return failed(f"an error that Sentry is told of carries no trace ({link})", "start the service with the launcher")


SANITIZING = Check("sanitizing", "No value of a statement or an error leaves the process.", _sanitizing)
ACCEPTED = Check("accepted", "The agent takes telemetry of the service.", _accepted)
COLLECTOR = Check("collector", "A statement's series are at the gateway.", _at_collector)
PROMETHEUS = Check("prometheus", "A statement's series are in Prometheus, with the specified labels.", _in_prometheus)
SERVICES = Check("services", "Statements of every service are in Prometheus.", _services)
SENTRY = Check("sentry", "Sentry's errors carry the trace they belong to.", _sentry)
