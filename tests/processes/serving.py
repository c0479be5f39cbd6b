"""Starts programs of many processes under the real launcher, and holds what each of their processes exported."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from launching import Arrived, free_port, labels
from logged import PATIENCE_S, Logged

from otel_dbmon.demo.receiver import Receiver

APPS = Path(__file__).parent / "apps"
BIN = Path(sys.executable).parent


def wait_for(condition: Callable[[], Any], what: str, log: Sequence[str] = ()) -> Any:
    """What the condition says once that is true, however slow the machine is."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise TimeoutError("\n".join([what, *log]))


class Nobody:
    """A collector that is down: nothing listens, a connection is refused at once."""

    def __enter__(self) -> str:
        return f"http://127.0.0.1:{free_port()}"

    def __exit__(self, *_: object) -> None:
        """Nothing was there."""


class Hole:
    """A collector that hangs: it takes connections and answers nothing."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(100)

    def __enter__(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._listener.close()


class Alive:
    """A collector that keeps what it gets.

    Args:
        arrived: Keeps it.
        delay_s: How long each request takes.
    """

    def __init__(self, arrived: Arrived, delay_s: float = 0) -> None:
        self._receiver = Receiver(arrived.take)
        self._accept = self._receiver.accept
        self._delay_s = delay_s
        self._receiver.accept = self._slowly  # type: ignore[method-assign]

    def _slowly(self, path: str, body: bytes, zipped: bool = False) -> int:
        time.sleep(self._delay_s)
        return self._accept(path, body, zipped)

    def __enter__(self) -> str:
        self._receiver.__enter__()
        return self._receiver.url

    def __exit__(self, *_: object) -> None:
        self._receiver.__exit__(None, None, None)


class Program(Logged):
    """A program under the launcher, from ``with`` to the end that it is asked for by a signal.

    Attributes:
        arrived: What the collector got, unless it is another one than an ordinary one.
        log: Standard output and error, line by line; complete after the end.
        seconds: How long the end took, from the signal on.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        collector: Any = None,
        launcher: bool = True,
    ) -> None:
        self.arrived = Arrived()
        self.seconds = 0.0
        self._collector = collector or Alive(self.arrived)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "COV_"))}
        self._variables = {
            **inherited,
            "OTEL_SERVICE_NAME": "user-svc",
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "sqlite3",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(free_port()),
            "PYTHONUNBUFFERED": "1",
            **(environment or {}),
        }

        launched = [*([str(BIN / "opentelemetry-instrument")] if launcher else []), *command]
        super().__init__(launched, self._variables, APPS)

    def __enter__(self) -> Program:
        self._variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = self._collector.__enter__()
        super().__enter__()
        return self

    def end(self, signum: int | None = None) -> None:
        """Ask the program to end, and wait."""
        start = time.monotonic()
        super().end(signum)
        self.seconds = time.monotonic() - start

    def __exit__(self, *_: object) -> None:
        try:
            super().__exit__()
        finally:
            self._collector.__exit__(None, None, None)

    def counted(self) -> Counter[str]:
        """How many statements each process says it counted, by its ``service.instance.id``."""
        return Counter(
            {
                instance: sum(point.count for point in points)
                for instance, points in points_by_instance(self.arrived, "database.query.duration").items()
            }
        )

    def spans(self) -> int:
        """How many statements arrived as spans."""
        return len(self.arrived.statements())


def points_by_instance(arrived: Arrived, metric: str) -> dict[str, list[Any]]:
    """The newest data points of a metric, by the ``service.instance.id`` of the process that sent them."""
    found: dict[str, list[Any]] = {}
    for message in arrived.messages:
        for resource in getattr(message, "resource_metrics", ()):
            instance = labels(resource.resource)["service.instance.id"]
            metrics = (metric for scope in resource.scope_metrics for metric in scope.metrics)
            for found_metric in (each for each in metrics if each.name == metric):
                found[instance] = list(getattr(found_metric, found_metric.WhichOneof("data")).data_points)
    return found
