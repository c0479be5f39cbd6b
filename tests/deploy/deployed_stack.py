"""Starts the real programs on what `otel-dbmon deploy` laid out, each listener on a free port of this machine.

Agent and gateway are there where our collector is built (`make collector`); Prometheus and Alertmanager are Debian's.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from otel_dbmon.querying.client import UnansweredError
from otel_dbmon.verify.asking import ask

_START_S, _STOP_S = 60.0, 3.0
#: Where agent and gateway listen; the last two are for probes.
_OF_COLLECTORS = ("otlp", "otlp_grpc", "gateway", "gateway_grpc", "gateway_http", "agent_health", "gateway_health")


def collector() -> Path | None:
    """Our collector, if it is built."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "otel-dbmon")
    built = sorted(cache.glob("otelcol-dbmon-*/otelcol-dbmon"), key=lambda path: path.stat().st_mtime)
    return built[-1] if built else None


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


class Stack:
    """The programs of one deployment.

    Args:
        folder: The output folder of deploy.
        prometheus: Prometheus.
        alertmanager: Alertmanager.
        collector: Our collector, or None.
    """

    def __init__(self, folder: Path, prometheus: Path, alertmanager: Path, collector: Path | None) -> None:
        self.folder = folder
        self.secrets = folder / "secrets"
        self._programs = (prometheus, alertmanager, collector)
        names = ("prometheus", "alertmanager", *_OF_COLLECTORS)
        self._ports = dict(zip(names, free_ports(len(names)), strict=True))
        listening = ("prometheus", "alertmanager", *(("otlp", "otlp_grpc", "gateway") if collector else ()))
        self.addresses = {name: f"https://localhost:{self._ports[name]}" for name in listening}

    @contextmanager
    def running(self) -> Iterator[Stack]:
        """Start everything, and stop it again."""
        self._prepare()
        with ExitStack() as stack:
            for name, command, environment in self._commands():
                stack.enter_context(self._process(name, command, environment))
            self._wait()
            yield self

    def _prepare(self) -> None:
        """What containers get as mounts and names, and one machine has not: here a port tells listeners apart."""
        for name in ("prometheus", "alertmanager"):
            (self.folder / name / "secrets").symlink_to(self.secrets)
        for path in (self.folder / "prometheus" / "targets").glob("*.yml"):
            # Names of components are in no DNS here; their certificates hold for localhost, too.
            path.write_text(re.sub(r'"\w+:\d+"', f'"localhost:{self._ports[path.stem]}"', path.read_text()))
        path = self.folder / "prometheus" / "prometheus.yml"
        path.write_text(path.read_text().replace("_interval: 15s", "_interval: 1s"))

    def _commands(self) -> Iterator[tuple[str, list[str], dict[str, str]]]:
        prometheus, alertmanager, collector = self._programs
        web = "--web.config.file={}/secrets/web/{}.yml"
        folder = self.folder / "prometheus"
        yield (
            "prometheus",
            [
                str(prometheus),
                f"--config.file={folder}/prometheus.yml",
                web.format(folder, "prometheus"),
                f"--web.listen-address=127.0.0.1:{self._ports['prometheus']}",
                f"--storage.tsdb.path={self.folder}/data/tsdb",
            ],
            {},
        )
        folder = self.folder / "alertmanager"
        yield (
            "alertmanager",
            [
                str(alertmanager),
                f"--config.file={folder}/alertmanager.yml",
                web.format(folder, "alertmanager"),
                f"--web.listen-address=127.0.0.1:{self._ports['alertmanager']}",
                f"--storage.path={self.folder}/data/alerts",
                "--cluster.listen-address=",
            ],
            {},
        )
        if collector is not None:
            for name, environment in self._collectors().items():
                yield name, [str(collector), f"--config={self.folder}/collector/{name}.yaml"], environment

    def _collectors(self) -> dict[str, dict[str, str]]:
        ports = self._ports
        both = {"DBMON_SECRETS": str(self.secrets), "DBMON_STATE": str(self.folder / "data")}
        return {
            "gateway": {
                **both,
                "DBMON_OTLP_GRPC": f"127.0.0.1:{ports['gateway_grpc']}",
                "DBMON_OTLP_HTTP": f"127.0.0.1:{ports['gateway_http']}",
                "DBMON_PROMETHEUS": f"127.0.0.1:{ports['gateway']}",
                "DBMON_HEALTH": f"127.0.0.1:{ports['gateway_health']}",
                "DBMON_SELF": f"https://localhost:{ports['gateway_grpc']}",
            },
            "agent": {
                **both,
                "DBMON_OTLP_GRPC": f"127.0.0.1:{ports['otlp_grpc']}",
                "DBMON_OTLP_HTTP": f"127.0.0.1:{ports['otlp']}",
                "DBMON_GATEWAY": f"localhost:{ports['gateway_grpc']}",
                "DBMON_HEALTH": f"127.0.0.1:{ports['agent_health']}",
                "DBMON_SELF": f"https://localhost:{ports['otlp_grpc']}",
            },
        }

    @contextmanager
    def _process(self, name: str, command: list[str], environment: Mapping[str, str]) -> Iterator[None]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "DBMON_"))}
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(command, env={**inherited, **environment}, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_S
        for name in ("prometheus", "alertmanager"):
            while not self._is_ready(f"{self.addresses[name]}/-/ready"):
                assert time.monotonic() < deadline, self.log(name)
                time.sleep(0.1)
        for name in sorted(set(self.addresses) - {"prometheus", "alertmanager"}):
            while not self._listens(self.addresses[name]):
                assert time.monotonic() < deadline, self.log("agent") + self.log("gateway")
                time.sleep(0.1)

    def log(self, name: str) -> str:
        """The end of what a program said."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]

    def _is_ready(self, url: str) -> bool:
        try:
            ask(url, self.secrets)
        except UnansweredError:
            return False
        return True

    def _listens(self, address: str) -> bool:
        try:
            socket.create_connection(("localhost", urlsplit(address).port or 0), timeout=1).close()
        except OSError:
            return False
        return True
