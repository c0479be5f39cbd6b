"""Runs a service at full speed while its collector is absent, then slow, then back, and shows what became of it.

``make soak`` takes ten minutes, ``make soak SECONDS=60`` one. The exit status is 1 if memory grew, a statement was not
counted, a span was lost without being counted, or anything went wrong in the service.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otel_dbmon.demo.receiver import Receiver

SERVICE = Path(__file__).with_name("service.py")
SLOW_S = 3.0
#: Queues and caches fill in the first seconds; from then on nothing may grow.
WARM_UP = 0.15
MAX_GROWTH_MB = 8.0
#: Four threads find the same place in a queue free now and then, and the SDK doesn't count what that pushes out.
MAX_UNEXPLAINED = 0.001
_MEGABYTE = 1_000_000


class Collector:
    """A collector on a port of its own, that is there or not, quick or slow.

    Attributes:
        spans: Spans of statements that arrived.
        counted: Statements that the newest metrics tell of.
        lost: Spans that the newest metrics say were lost.
        others: Other spans that arrived: requests, connections.
    """

    def __init__(self) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self._port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.delay_s = 0.0
        self.spans = self.others = self.counted = self.lost = 0
        self._receiver: Receiver | None = None

    def appear(self, delay_s: float) -> None:
        """Listen from now on, and take so long for each request."""
        self.delay_s = delay_s
        if self._receiver is None:
            self._receiver = Receiver(self._take, self._port)
            self._accept = self._receiver.accept
            self._receiver.accept = self._slowly  # type: ignore[method-assign]
            self._receiver.__enter__()

    def disappear(self) -> None:
        """Stop listening."""
        if self._receiver is not None:
            self._receiver.__exit__(None, None, None)

    def _slowly(self, path: str, body: bytes, zipped: bool = False) -> int:
        time.sleep(self.delay_s)
        return self._accept(path, body, zipped)

    def _take(self, message: Any, _: bytes) -> None:
        for resource in getattr(message, "resource_spans", ()):
            for scope in resource.scope_spans:
                statements = sum(any(item.key == "db.query.text" for item in span.attributes) for span in scope.spans)
                self.spans += statements
                self.others += len(scope.spans) - statements
        for resource in getattr(message, "resource_metrics", ()):
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                if metric.name == "database.query.duration":
                    self.counted = sum(point.count for point in metric.histogram.data_points)
                if metric.name == "dbmon.dropped":
                    self.lost = sum(point.as_int for point in metric.sum.data_points if _is_about_spans(point))


def _is_about_spans(point: Any) -> bool:
    return any(item.value.string_value == "spans" for item in point.attributes)


@dataclass
class Phase:
    """One part of the run.

    Attributes:
        name: What the collector is like.
        delay_s: How long it takes for each request; None if it is not there.
        memory: Samples of the service's resident memory: seconds since its start, megabytes.
    """

    name: str
    delay_s: float | None
    memory: list[tuple[float, float]] = field(default_factory=list)


def resident_mb(process_id: int) -> float:
    """What the process has in memory."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MEGABYTE


def slope_per_minute(samples: list[tuple[float, float]]) -> float:
    """The slope of a straight line through the samples, by least squares, in megabytes a minute."""
    if len(samples) < 2:
        return 0.0
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    return 60 * sum((x - mean_x) * (y - mean_y) for x, y in samples) / sum((x - mean_x) ** 2 for x, _ in samples)


def run(seconds: float) -> bool:
    """Run all phases, print the table, and say whether everything held."""
    collector = Collector()
    phases = [Phase("absent", None), Phase(f"slow ({SLOW_S:g} s)", SLOW_S), Phase("back", 0.0)]
    with tempfile.TemporaryFile("w+") as log:
        service = subprocess.Popen(
            [str(Path(sys.executable).with_name("opentelemetry-instrument")), sys.executable, str(SERVICE)],
            env=_environment(collector.url),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        start = time.monotonic()
        for phase in phases:
            _watch(service, phase, collector, start, seconds / len(phases))
        service.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        output, _ = service.communicate(timeout=60)
        ended_in = time.monotonic() - asked
        log.seek(0)
        errors = log.read()
    collector.disappear()
    return _judge(json.loads(output), phases, collector, errors, seconds, ended_in) and service.returncode == 0


def _environment(url: str) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    return {
        **inherited,
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_METRIC_EXPORT_INTERVAL": "5000",
        "OTEL_SERVICE_NAME": "soak",
        "OTEL_DBMON_PROMETHEUS": "false",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "sqlite3",
    }


def _watch(service: subprocess.Popen[str], phase: Phase, collector: Collector, start: float, seconds: float) -> None:
    if phase.delay_s is not None:
        collector.appear(phase.delay_s)
    end = time.monotonic() + seconds
    while time.monotonic() < end and service.poll() is None:
        time.sleep(min(1.0, seconds / 20))
        phase.memory.append((time.monotonic() - start, resident_mb(service.pid)))


def _judge(
    said: dict[str, Any], phases: list[Phase], collector: Collector, errors: str, seconds: float, ended_in: float
) -> bool:
    samples = [sample for phase in phases for sample in phase.memory]
    settled = [sample for sample in samples if sample[0] > seconds * WARM_UP]
    slope = slope_per_minute(settled)
    growth = slope * (settled[-1][0] - settled[0][0]) / 60
    sent = said["sent"]
    spans = sent + said["requests"] + said["connections"]
    arrived = collector.spans + collector.others
    unexplained = spans - arrived - collector.lost
    print(f"{'collector':14s} {'seconds':>8s} {'RSS at start':>13s} {'RSS at end':>11s}")
    for phase in phases:
        (first, before), (last, after) = phase.memory[0], phase.memory[-1]
        print(f"{phase.name:14s} {last - first:8.0f} {before:10.1f} MB {after:8.1f} MB")
    print(f"\nstatements sent {sent:,}, {sent / seconds:,.0f} a second; counted by the metrics {collector.counted:,}")
    print(f"spans ended {spans:,}, arrived {arrived:,}, counted as lost {collector.lost:,}, neither {unexplained:,}")
    print(f"memory after the warm-up: {slope:+.3f} MB a minute, {growth:+.2f} MB in all")
    print(f"exceptions in the service {said['wrong'] or 'none'}; SIGTERM to exit {ended_in:.1f} s")
    checks = {
        "every statement is counted": collector.counted == sent,
        "every lost span is counted": abs(unexplained) <= spans * MAX_UNEXPLAINED,
        f"memory is flat (at most {MAX_GROWTH_MB:g} MB more)": growth <= MAX_GROWTH_MB,
        "nothing went wrong in the service": not said["wrong"] and "Traceback" not in errors,
        "nothing failed in otel-dbmon": "otel-dbmon: " not in errors,
    }
    for check, holds in checks.items():
        print(f"{'ok    ' if holds else 'FAILED'} {check}")
    return all(checks.values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Soak a service at full speed.")
    parser.add_argument("--seconds", type=float, default=600, help="how long, all phases together (600)")
    sys.exit(0 if run(parser.parse_args().seconds) else 1)
