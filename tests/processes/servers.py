"""The servers that people run Python services with, started under the launcher and visited."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launching import free_port
from serving import BIN, Program, wait_for

PRELOADED_STATEMENTS = 7
_COUNTS = re.compile(r"^database_query_duration_seconds_count\{.*\} ([0-9.]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Server:
    """A way to serve.

    Attributes:
        command: The command line without the place to listen at.
        workers: How many processes answer.
        preloads: Whether the master queries before it forks.
        exit_status: How it ends when it is asked to by SIGTERM.
    """

    command: str
    workers: int = 2
    preloads: bool = False
    exit_status: int = 0

    def at(self, port: int) -> list[str]:
        """The whole command line."""
        name, *arguments = self.command.split()
        place = f"--bind=127.0.0.1:{port}" if name == "gunicorn" else f"--port={port}"
        return [str(BIN / name), place, *arguments]


SERVERS = {
    "gunicorn, sync": Server("gunicorn --workers=2 wsgi:app"),
    "gunicorn, gthread": Server("gunicorn --workers=2 --worker-class=gthread --threads=4 wsgi:app"),
    "gunicorn, sync, preloaded": Server("gunicorn --workers=2 --preload wsgi:app", preloads=True),
    "gunicorn, gthread, preloaded": Server(
        "gunicorn --workers=2 --preload --worker-class=gthread --threads=4 wsgi:app", preloads=True
    ),
    "uvicorn, 2 workers": Server("uvicorn --workers=2 --log-level=warning asgi:app"),
    # Having cleaned up, it dies of the signal that it was sent.
    "uvicorn, 1 process": Server("uvicorn --log-level=warning asgi:app", workers=1, exit_status=-signal.SIGTERM),
}


class Served(Program):
    """A server that was visited until every worker had answered.

    Attributes:
        server: How it serves.
        sent: How many statements each worker says it sent, by its process id.
        scraped: How many statements the processes' Prometheus endpoints tell of, one total for each.
    """

    def __init__(self, name: str, folder: Path, environment: dict[str, str] | None = None, **options: Any) -> None:
        self.server = SERVERS[name]
        self.port = free_port()
        self.metrics_port = free_port()
        self.sent: Counter[int] = Counter()
        self.scraped: set[float] = set()
        preloads = {"PRELOADED": "yes"} if self.server.preloads else {}
        place = {
            "DATABASE_URL": f"sqlite:///{folder}/shop.db",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(self.metrics_port),
        }
        super().__init__(self.server.at(self.port), {**place, **preloads, **(environment or {})}, **options)

    def visit(self) -> None:
        """Send requests, several at once, until all workers have answered some."""
        with ThreadPoolExecutor(4) as pool:
            wait_for(lambda: self._visited(pool), f"answers of {self.server.workers} workers", self.log)

    def _visited(self, pool: ThreadPoolExecutor) -> bool:
        for answer in pool.map(self._get, range(20)):
            if answer is not None:
                self.sent[answer["pid"]] = max(self.sent[answer["pid"]], answer["sent"])
        return len(self.sent) == self.server.workers

    def _get(self, _: int) -> dict[str, int] | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as response:
                answer: dict[str, int] = json.load(response)
                return answer
        except OSError:
            return None

    def scrape(self) -> bool:
        """Ask every port on which an endpoint of these processes could be; whether each worker's figures were there."""
        # Somebody else may have one of the next ports, and a worker then takes the one behind.
        for port in range(self.server.workers + 8):
            self.scraped.add(sum(float(count) for count in _COUNTS.findall(self._metrics(port))))
        return self.scraped >= set(self.sent.values())

    def _metrics(self, offset: int) -> str:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.metrics_port + offset}/metrics", timeout=10
            ) as response:
                text: str = response.read().decode()
                return text
        except OSError:
            return ""
