"""Starts a script under the real launcher with a loopback OTLP receiver, and holds what arrived."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_dbmon.demo.receiver import Receiver

APPS = Path(__file__).parent / "apps"


class Arrived:
    """Everything that an OTLP endpoint was handed, parsed and raw."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.raw = b""

    def take(self, message: Message, body: bytes) -> None:
        """Keep one request."""
        self.messages.append(message)
        self.raw += body

    def spans(self) -> list[Span]:
        """All spans, in the order of arrival."""
        return [
            span
            for message in self.messages
            for resource in getattr(message, "resource_spans", ())
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def statements(self) -> list[Span]:
        """The spans that stand for a statement."""
        return [span for span in self.spans() if "db.query.text" in labels(span)]

    def resources(self) -> list[dict[str, str]]:
        """The string attributes of every resource that arrived with spans."""
        return [
            {item.key: item.value.string_value for item in resource.resource.attributes}
            for message in self.messages
            for resource in getattr(message, "resource_spans", ())
        ]

    def points(self, metric: str) -> list[Any]:
        """The data points of one metric in the newest request that has it."""
        found: list[Any] = []
        for name, points in self._metrics():
            if name == metric:
                found = points
        return found

    def metric_names(self) -> set[str]:
        """The names of all metrics that arrived."""
        return {name for name, _ in self._metrics()}

    def _metrics(self) -> Iterator[tuple[str, list[Any]]]:
        for message in self.messages:
            for resource in getattr(message, "resource_metrics", ()):
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        yield metric.name, list(getattr(metric, metric.WhichOneof("data")).data_points)


def labels(point: Any) -> dict[str, Any]:
    """The attributes of a data point or a span as a dict."""
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in point.attributes}


def free_port() -> int:
    """A port of the loopback interface that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Launched:
    """One run of a script: a context manager that starts it, and ends it by closing its standard input.

    Attributes:
        arrived: What the OTLP endpoint was handed; complete after the end.
        output: Standard output, line by line as asked for.
        errors: Standard error, after the end.
        port: Where the Prometheus endpoint is told to listen.
    """

    def __init__(
        self,
        script: str,
        environment: Mapping[str, str] | None = None,
        flags: Sequence[str] = (),
        launcher: bool = True,
        receiver_variable: str = "OTEL_EXPORTER_OTLP_ENDPOINT",
    ) -> None:
        self.arrived = Arrived()
        self.port = free_port()
        self.errors = ""
        self._receiver = Receiver(self.arrived.take)
        command = [sys.executable, str(APPS / script)]
        if launcher:
            command = [str(Path(sys.executable).parent / "opentelemetry-instrument"), *flags, *command]
        self._command = command
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "COV_"))}
        self._environment = {
            **inherited,
            receiver_variable: self._receiver.url,
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(self.port),
            "OTEL_SERVICE_NAME": "user-svc",
            # The test environment has it for one test; an ordinary service has only contrib's SQLAlchemy and psycopg.
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "sqlite3",
            **(environment or {}),
        }

    def __enter__(self) -> Launched:
        self._receiver.__enter__()
        self.process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.output = self.process.stdout
        self._errors: list[str] = []
        self._drain = threading.Thread(target=lambda stream: self._errors.extend(stream), args=(self.process.stderr,))
        self._drain.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
            self.process.wait(timeout=30)
        finally:
            self.process.kill()
            self._drain.join()
            self.errors = "".join(self._errors)
            self.output.close()
            assert self.process.stderr is not None
            self.process.stderr.close()
            self._receiver.__exit__(None, None, None)


def run(script: str, environment: Mapping[str, str] | None = None, **options: Any) -> Launched:
    """Run a script to its end, with the options of ``Launched``."""
    with Launched(script, environment, **options) as launched:
        pass
    return launched
