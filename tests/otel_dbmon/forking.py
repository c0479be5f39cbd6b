"""Forks with metrics in flight and prints, as JSON, what parent and children saw; run by the tests as a process.

A test process has threads of its own, so it must not fork itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from metering import DELTA, Meters, collected, metrics_of
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

from otel_dbmon.prometheus import PrometheusEndpoint


def in_child(work: Callable[[], Any]) -> Any:
    """What ``work`` returns in a forked child."""
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            os.write(write, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        return json.loads(pipe.read() or b"null")


def metrics() -> dict[str, Any]:
    """What readers are told before a fork, in the child and in the parent after it."""
    readers = [InMemoryMetricReader(), InMemoryMetricReader(preferred_temporality=DELTA)]
    meters = Meters(readers)
    os.register_at_fork(after_in_child=meters.aggregator.reset)

    def told() -> list[list[tuple[int, int]]]:
        by_reader = [collected(reader).get("database.query.duration") for reader in readers]
        return [
            [(point.count, point.start_time_unix_nano) for point in metric.data.data_points] if metric else []
            for metric in by_reader
        ]

    def child() -> Any:
        nothing = told()
        meters.record()
        return [nothing, told()]

    meters.record()
    before = told()
    meters.record()
    return {"before": before, "child": in_child(child), "after": told()}


def busy() -> list[Any]:
    """How many children, forked while threads record and collect, could collect themselves."""
    reader = InMemoryMetricReader(preferred_temporality=DELTA)
    meters = Meters()
    os.register_at_fork(after_in_child=meters.aggregator.reset)

    def extend() -> int:
        return len(metrics_of(meters.export.extend(reader, None, Resource({}))))

    def forever(work: Callable[[], object]) -> None:
        while True:
            work()

    for work in (meters.record, extend, extend):
        threading.Thread(target=forever, args=(work,), daemon=True).start()

    def child() -> bool:
        signal.alarm(20)
        meters.record()
        return extend() > 0

    return [in_child(child) for _ in range(20)]


def endpoint(port: int) -> dict[str, Any]:
    """Where parent, child and grandchild listen, and what each of them answers."""
    meters = Meters(service="parent")
    os.register_at_fork(after_in_child=meters.aggregator.reset)
    prometheus = PrometheusEndpoint("127.0.0.1", port, 5, meters.guard)
    meters.provider.add_metric_reader(prometheus.reader)
    prometheus.start()
    meters.record()
    sockets = open_sockets()

    def scrape() -> list[Any]:
        deadline = time.monotonic() + 20
        while prometheus.port is None and time.monotonic() < deadline:
            time.sleep(0.01)
        with urllib.request.urlopen(f"http://127.0.0.1:{prometheus.port}/metrics", timeout=20) as response:
            text = response.read().decode()
        instance = text.partition('service_instance_id="')[2].partition('"')[0]
        return [prometheus.port, "database_query_duration_seconds_count" in text, instance]

    def child() -> Any:
        return {"inherited": len(sockets & open_sockets()), "child": scrape(), "grandchild": in_child(scrape)}

    first = scrape()
    report = {"parent": first, **in_child(child), "parent_again": scrape()}
    prometheus.shutdown()
    return report


def open_sockets() -> set[int]:
    """The sockets this process has open, by inode."""
    found = set()
    for descriptor in range(256):
        with contextlib.suppress(OSError):
            facts = os.fstat(descriptor)
            if stat.S_ISSOCK(facts.st_mode):
                found.add(facts.st_ino)
    return found


if __name__ == "__main__":
    scenarios = {"metrics": metrics, "busy": busy, "endpoint": lambda: endpoint(int(sys.argv[2]))}
    print(json.dumps(scenarios[sys.argv[1]]()))
