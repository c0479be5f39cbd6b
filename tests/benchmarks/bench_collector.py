"""The gateway on one core: spans for each second of CPU, with our processors and without, and what a span weighs.

The spans are the shop's own, taken from its real service. CPU time is the collector's, as the system counts it, so that
a busy machine does not spoil the figures; they are of this machine, the ratios are not.
"""

from __future__ import annotations

import gzip
import http.client
import itertools
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "stack"))

from asking import Operator
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span
from ports import quiet_port
from processes import Process, together

from otel_dbmon.demo.receiver import Receiver
from otel_dbmon.demo.service import Service as Shop
from otel_dbmon.deploy.credentials import create_secrets

CONFIGURATION = Path(__file__).parents[2] / "collector-config"
PAGES = (
    "/products/1",
    "/products/2/reviews",
    "/orders",
    "/orders/eager",
    "/reports/sales",
    "/reports/best-customers",
    "/customers/search?email=ann@example.com",
)
SECONDS, ROUNDS, SENDERS = 4.0, 3, 2
SPANS_A_REQUEST, REQUESTS = 500, 20
#: What is measured -> files beside gateway.yaml, and what is changed in it.
NO_PROCESSORS = "service: {pipelines: {traces: {processors: []}}}"
WITHOUT_REDACTION = "service: {pipelines: {traces: {processors: [memory_limiter, transform/statements]}}}"
KINDS: dict[str, tuple[list[str], str]] = {
    "gateway.yaml without its processors": ([], NO_PROCESSORS),
    "gateway.yaml without redaction": ([], WITHOUT_REDACTION),
    "gateway.yaml": ([], "{}"),
    "gateway.yaml, trace-store.yaml": (["trace-store.yaml"], "{}"),
}


def main() -> None:
    """Measure each kind in turns, and print the best of each."""
    built = subprocess.run(
        [CONFIGURATION / "builder" / "build.sh", "collector"], stdout=subprocess.PIPE, text=True, check=False
    )
    if built.returncode:
        print("gateway: no collector, nothing is measured")
        return
    with tempfile.TemporaryDirectory() as created:
        folder = Path(created)
        create_secrets(folder / "secrets")
        spans, series = shop(folder)
        requests = [request.SerializeToString() for request in packed(spans)]
        size = sum(map(len, requests)) / (len(requests) * SPANS_A_REQUEST)
        zipped = sum(len(gzip.compress(request, 6)) for request in requests) / (len(requests) * SPANS_A_REQUEST)
        print(f"gateway: a span of the shop has {size:.0f} bytes in OTLP, {zipped:.0f} compressed")
        print(f"gateway: the shop, one process, has {series} series")
        gateway = Gateway(folder, Path(built.stdout.strip()))
        best = dict.fromkeys(KINDS, 0.0)
        for _, kind in itertools.product(range(ROUNDS), KINDS):
            best[kind] = max(best[kind], gateway.spans_a_second(kind, requests))
        bare = best["gateway.yaml without its processors"]
        for kind, rate in best.items():
            print(f"gateway: {kind:40} {rate:8,.0f} spans a second and core, {rate / bare:5.2f} of the first")


def shop(folder: Path) -> tuple[list[Span], int]:
    """The spans of a visited shop, and the number of its series."""
    spans: list[Span] = []

    def take(message: object, _: bytes) -> None:
        for resource in getattr(message, "resource_spans", ()):
            for scope in resource.scope_spans:
                spans.extend(scope.spans)

    port, metrics = quiet_port(), quiet_port()
    with Receiver(take) as receiver:
        environment = {
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(metrics),
        }
        with Shop(folder, port, environment) as running:
            running.wait_until_up()
            for page in PAGES * 20:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{page}").close()
            time.sleep(1)
            lines = urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics").read().decode().splitlines()
    return spans, sum(not line.startswith("#") for line in lines)


def packed(spans: list[Span]) -> list[ExportTraceServiceRequest]:
    """Requests of many spans each."""
    endless = itertools.cycle(spans)
    requests = []
    for _ in range(REQUESTS):
        resource = ResourceSpans()
        scope = resource.scope_spans.add()
        scope.spans.extend(itertools.islice(endless, SPANS_A_REQUEST))
        requests.append(ExportTraceServiceRequest(resource_spans=[resource]))
    return requests


class Gateway:
    """The gateway on one core, and another behind it that only swallows.

    Args:
        folder: Where they run; has the secrets.
        collector: The program.
    """

    def __init__(self, folder: Path, collector: Path) -> None:
        self._folder, self._collector = folder, collector
        self._operator = Operator(folder / "secrets")

    def spans_a_second(self, kind: str, requests: list[bytes]) -> float:
        """Spans for each second of its CPU, at full load."""
        files, own = KINDS[kind]
        store_port, port = quiet_port(), quiet_port()
        store = self._process("store", [], NO_PROCESSORS, quiet_port(), store_port, 0)
        gateway = self._process("gateway", files, own, port, quiet_port(), store_port)
        try:
            together(store, gateway)
            self._send(port, requests, 1)
            before = gateway.cpu_seconds()
            sent = self._send(port, requests, SECONDS)
            return sent * SPANS_A_REQUEST / (gateway.cpu_seconds() - before)
        finally:
            gateway.kill()
            store.kill()

    def _process(self, name: str, files: list[str], own: str, http_port: int, grpc_port: int, store: int) -> Process:
        overlay = self._folder / f"{name}.yaml"
        overlay.write_text(own)
        health = quiet_port()
        settings = {
            "GOMAXPROCS": "1",
            "DBMON_SECRETS": str(self._folder / "secrets"),
            "DBMON_STATE": str(self._folder / name),
            "DBMON_OTLP_HTTP": f"localhost:{http_port}",
            "DBMON_OTLP_GRPC": f"localhost:{grpc_port}",
            "DBMON_SELF": f"https://localhost:{grpc_port}",
            "DBMON_HEALTH": f"localhost:{health}",
            "DBMON_PROMETHEUS": f"localhost:{quiet_port()}",
            "DBMON_TRACE_STORE": f"localhost:{store}",
        }
        (self._folder / name).mkdir(exist_ok=True)
        paths = [*(CONFIGURATION / "collector" / file for file in ("gateway.yaml", *files)), overlay]
        command: list[object] = [self._collector, *(f"--config={path}" for path in paths)]
        ready = f"https://localhost:{health}"
        return Process(name, self._folder, command, settings, lambda: self._operator.answers(ready))

    def _send(self, port: int, requests: list[bytes], seconds: float) -> int:
        counts: list[int] = []
        deadline = time.monotonic() + seconds

        def send() -> None:
            connection = http.client.HTTPSConnection("localhost", port, context=self._operator.context, timeout=30)
            sent = 0
            for body in itertools.cycle(requests):
                if time.monotonic() > deadline:
                    break
                connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
                answer = connection.getresponse()
                answer.read()
                # What the gateway does not take is no work that it did.
                sent += answer.status == 200
            connection.close()
            counts.append(sent)

        threads = [threading.Thread(target=send) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts)


if __name__ == "__main__":
    main()
