"""Runs the demo from start to end: the shop, the visitors, the receiver, the report; answers with an exit code."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TextIO

from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_dbmon.demo import screen
from otel_dbmon.demo.figures import Figures
from otel_dbmon.demo.otlp_json import to_json_line
from otel_dbmon.demo.page import ADVICE, PAGE, write_page
from otel_dbmon.demo.receiver import Receiver
from otel_dbmon.demo.report import Canaries, Report
from otel_dbmon.demo.scrape import Scrape, fetch
from otel_dbmon.demo.sentry import SentryReceiver, events_of, lines_of
from otel_dbmon.demo.service import DemoError, Service, check_requirements, free_port
from otel_dbmon.demo.traffic import CANARIES, Shop, Tally, traffic

_FILES = ("spans.jsonl", "sentry.jsonl", "metrics.prom", "shop.log", "shop.db")
_TICK_S = 0.25
_SETTLE_S = 10.0


@dataclass(frozen=True)
class Options:
    """What a person may choose.

    Attributes:
        output: The folder for ``report.html``, ``spans.jsonl``, ``sentry.jsonl``, ``metrics.prom`` and what the shop
            keeps.
        duration_s: How long visitors come, in seconds.
        serve: Whether to stay up after the report.
        port: Where the shop listens; 0 takes any free port.
    """

    output: Path
    duration_s: float = 20.0
    serve: bool = False
    port: int = 0


class Inbox:
    """Keeps what was received: spans in a file, figures and canaries in memory.

    Args:
        spans: The file that gets the OTLP JSON lines.
        envelopes: The file that gets what Sentry would be sent, as it was sent.
    """

    def __init__(self, spans: TextIO, envelopes: BinaryIO) -> None:
        self.figures = Figures()
        self.canaries = Canaries(CANARIES)
        self.sentry_events: list[dict[str, Any]] = []
        self._spans = spans
        self._envelopes = envelopes

    def take(self, message: Message, body: bytes) -> None:
        """Keep one request of any signal."""
        self.canaries.search(body)
        if isinstance(message, ExportTraceServiceRequest):
            self.figures.add(message)
            self._spans.write(to_json_line(message) + "\n")
            self._spans.flush()

    def take_envelope(self, envelope: bytes) -> None:
        """Keep one of Sentry's envelopes."""
        self.canaries.search(envelope)
        self.sentry_events += events_of(envelope)
        self._envelopes.write(lines_of(envelope))
        self._envelopes.flush()


def run_demo(options: Options) -> int:
    """Run it all and show it on standard output.

    Returns:
        0 if everything was seen that should be, 1 if not, 2 if the demo's extra is missing.
    """
    # A shop that is left behind would run for ever.
    signal.signal(signal.SIGTERM, _leave)
    try:
        check_requirements()
        return _run(options)
    except DemoError as error:
        sys.stderr.write(f"otel-dbmon demo: {error}\n")
        return error.exit_code


def _run(options: Options) -> int:
    folder = _prepare(options.output)
    port, metrics_port = free_port(options.port), free_port()
    # Left in reverse: what the shop sends while it stops is still received and written.
    with ExitStack() as stack:
        spans = stack.enter_context((folder / "spans.jsonl").open("w", encoding="utf-8"))
        inbox = Inbox(spans, stack.enter_context((folder / "sentry.jsonl").open("wb")))
        receiver = stack.enter_context(Receiver(inbox.take))
        sentry = stack.enter_context(SentryReceiver(inbox.take_envelope))
        service = stack.enter_context(Service(folder, port, _environment(receiver, metrics_port, sentry)))
        screen.introduce(port, folder)
        service.wait_until_up()
        tally = _drive(service, port, options.duration_s, inbox)
        scrape = _settle(service, metrics_port, inbox)
        (folder / "metrics.prom").write_text(scrape.page, encoding="utf-8")
        report = Report(inbox.figures, scrape, inbox.canaries, tally)
        screen.show_report(report)
        screen.show_sentry(inbox.sentry_events)
        screen.show_places(folder, port, metrics_port, options.serve, write_page(folder, inbox.figures))
        if options.serve:
            _wait_for_ctrl_c(service)
    if report.broken:
        raise DemoError(f"Not as it should be: {'; '.join(report.broken)}")
    return 0


def _leave(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


def _prepare(folder: Path) -> Path:
    """An absolute folder without what an earlier run left there."""
    folder = folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (
            "spans.jsonl",
            "sentry.jsonl",
            "metrics.prom",
            "shop.log",
            "shop.db",
            "shop.db-wal",
            "shop.db-shm",
            ADVICE,
            PAGE,
        ):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise DemoError(f"Cannot write to {folder}: {error.strerror}") from None
    return folder


def _environment(receiver: Receiver, metrics_port: int, sentry: SentryReceiver) -> dict[str, str]:
    """Where the shop's telemetry goes; nothing here is about what is monitored."""
    return {
        # Whoever has a Sentry of their own sees it there.
        "SENTRY_DSN": os.environ.get("SENTRY_DSN") or sentry.dsn,
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(metrics_port),
        # The defaults are made for services; somebody who watches does not want to wait.
        "OTEL_DBMON_SLOW_QUERY_THRESHOLD": os.environ.get("OTEL_DBMON_SLOW_QUERY_THRESHOLD", "250"),
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        "OTEL_BSP_MAX_QUEUE_SIZE": "16384",
        "OTEL_METRIC_EXPORT_INTERVAL": "2000",
    }


def _drive(service: Service, port: int, duration_s: float, inbox: Inbox) -> Tally:
    """Let visitors come for a while, and show how it goes."""
    start = time.monotonic()
    with screen.progress(duration_s) as update, traffic(Shop(port)) as tally:
        while (elapsed := time.monotonic() - start) < duration_s:
            service.check()
            update(elapsed, tally, inbox.figures)
            time.sleep(_TICK_S)
        update(duration_s, tally, inbox.figures)
    if tally.unanswered:
        raise DemoError(f"{tally.unanswered} requests got no answer; the shop's log is {service.log}")
    return tally


def _settle(service: Service, metrics_port: int, inbox: Inbox) -> Scrape:
    """The last scrape, once everything that was counted has been received as well, or time is up."""
    deadline = time.monotonic() + _SETTLE_S
    while True:
        service.check()
        try:
            scrape = Scrape(fetch(metrics_port))
        except OSError as error:
            raise DemoError(f"Prometheus would get nothing: {error}; the shop's log is {service.log}") from None
        if inbox.figures.calls == scrape.statements or time.monotonic() > deadline:
            return scrape
        time.sleep(_TICK_S)


def _wait_for_ctrl_c(service: Service) -> None:
    try:
        while True:
            service.check()
            time.sleep(_TICK_S)
    except KeyboardInterrupt:
        screen.say_goodbye()
