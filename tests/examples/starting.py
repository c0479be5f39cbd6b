"""Takes an example's name, runs the command that its page gives in a copy of its folder, and holds what it sent."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from launching import Arrived, free_port, labels
from logged import PATIENCE_S, Logged
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from server import Server

from otel_dbmon.demo.receiver import Receiver

EXAMPLES = Path(__file__).parents[2] / "examples"
#: Kinds of spans that somebody else's asking began.
_REQUESTS = (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CONSUMER)
_COMMAND = re.compile(r"^(?:[A-Z_]+=\S+ )*opentelemetry-instrument .*$", re.MULTILINE)
#: What drivers send for a transaction or a savepoint of theirs, and what the server asks itself for a foreign key.
_NO_STATEMENTS = ("BEGIN", "COMMIT", "ROLLBACK", 'SAVEPOINT "_pg3', 'RELEASE "_pg3', "SELECT $2 FROM ONLY")


def documented(example: str) -> str:
    """The one command that starts an example, as its page has it."""
    return _COMMAND.findall((EXAMPLES / example / "README.md").read_text())[0]


class Example(Logged):
    """An example under the launcher, from ``with`` to the end that it is asked for.

    Args:
        name: Its folder.
        folder: An empty one that the example is copied to.
        environment: Variables beside the ordinary ones.

    Attributes:
        arrived: What the OTLP endpoint was handed; complete after the end.
        log: Standard output and error, line by line.
        port: Where it is to listen for visitors.
        metrics_port: Where the first Prometheus endpoint is to listen.
    """

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.arrived = Arrived()
        self.port, self.metrics_port = free_port(), free_port()
        self.folder = folder / name
        shutil.copytree(EXAMPLES / name, self.folder, ignore=shutil.ignore_patterns("__pycache__", "*.db"))
        self._receiver = Receiver(self.arrived.take)
        needs = (EXAMPLES / name / "requirements.txt").read_text()
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "COV_", "PYTHON"))}
        variables = {
            **inherited,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self._receiver.url,
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(self.metrics_port),
            "OTEL_LOGS_EXPORTER": "otlp",
            # This environment has more instrumentations than the example asks for.
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "" if "sqlite3" in needs else "sqlite3",
            "PORT": str(self.port),
            "SHOP_PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **(environment or {}),
        }
        # env takes the assignments that may stand before the command.
        super().__init__(["env", *shlex.split(documented(name))], variables, self.folder, signal.SIGINT)

    def __enter__(self) -> Example:
        self._receiver.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            super().__exit__()
        finally:
            self._receiver.__exit__(None, None, None)

    def wait_for(self, condition: Callable[[], Any], what: str) -> Any:
        """What the condition says once that is true, while the example runs."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            found = condition()
            if found:
                return found
            time.sleep(0.05)
        raise TimeoutError("\n".join([what, *self.log]))

    def wait_until_open(self, path: str = "/") -> None:
        """Wait until somebody answers, with whatever status."""
        self.wait_for(lambda: self._try(path), f"an answer at {path}")

    def _try(self, path: str) -> bool:
        try:
            return self.visit(path) > 0
        except OSError:
            return False

    def visit(self, path: str, form: Mapping[str, str] | None = None) -> int:
        """Ask for a page, or send a form to it; the answer is the HTTP status."""
        body = None if form is None else json.dumps(form).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                response.read()
                return int(response.status)
        except urllib.error.HTTPError as error:
            with error:
                return int(error.code)

    def counted(self) -> int:
        """How many statements the metric tells of, over all processes."""
        newest: dict[str, int] = {}
        for message in self.arrived.messages:
            for resource in getattr(message, "resource_metrics", ()):
                instance = labels(resource.resource)["service.instance.id"]
                for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                    if metric.name == "database.query.duration":
                        newest[instance] = sum(point.count for point in metric.histogram.data_points)
        return sum(newest.values())

    def summaries(self) -> Counter[str]:
        """The statements that arrived as spans, by name."""
        return Counter(span.name for span in self.arrived.statements())

    def errors(self) -> dict[str, int]:
        """How many statements failed, by the kind of error."""
        kinds: Counter[str] = Counter()
        for point in self.arrived.points("database.errors"):
            kinds[labels(point)["error_type"]] += int(point.as_int or point.as_double)
        return dict(+kinds)

    def requests(self) -> dict[str, int]:
        """How many statements each request or task says it sent, by its name."""
        spans = [span for span in self.arrived.spans() if "dbmon.db.query_count" in labels(span)]
        counts = {span.name: labels(span)["dbmon.db.query_count"] for span in spans if span.kind in _REQUESTS}
        return {name: count for name, count in counts.items() if count}

    def places_of_n_plus_one(self) -> set[tuple[str, str]]:
        """Where N+1 patterns were found: the table, and the line of the application as it is written there."""
        return {
            (found["dbmon.query.collection"], self._source(found["code.file.path"], int(found["code.line.number"])))
            for found in map(labels, self.arrived.statements())
            if found.get("dbmon.n_plus_one") and "code.file.path" in found
        }

    def _source(self, path: str, line: int) -> str:
        return (self.folder / path).read_text().splitlines()[line - 1].strip()

    def services(self) -> set[str]:
        """The names that the telemetry goes by."""
        return {resource["service.name"] for resource in self.arrived.resources()}


def statements_of(server: Server) -> int:
    """How many statements of an application a server has executed since it was reset: no transactions' ends."""
    ours = ("SELECT pg_stat_statements_reset",)
    return sum(calls for query, calls in server.executed() if not query.startswith((*ours, *_NO_STATEMENTS)))
