"""Starts services under the real launcher and a real Prometheus, and answers queries of both kinds.

Prometheus scrapes the services, or a real collector that they send to, as in production.

Prometheus listens as `otel-dbmon deploy` has it: with TLS, to callers with a certificate and a password only; queries
are put with the files that Grafana's provisioning names.
"""

from __future__ import annotations

import http.client
import json
import os
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.parse
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import yaml
from launching import free_port
from programs import need

from otel_dbmon.demo.service import Service
from otel_dbmon.demo.traffic import Shop, traffic
from otel_dbmon.deploy.credentials import create_secrets

ROOT = Path(__file__).resolve().parents[2]
LEDGER = Path(__file__).with_name("apps") / "ledger.py"
SOURCES = ROOT / "collector-config" / "grafana" / "provisioning" / "datasources" / "otel-dbmon.yaml"
GATEWAY = ROOT / "collector-config" / "collector" / "gateway.yaml"
#: What needs a store to send to has a queue; here nobody is there.
STORE = GATEWAY.with_name("trace-store.yaml")
SECONDS = 20
#: What Grafana would make of its variables for the time in which the fleet worked.
GRAFANA = {
    "$__rate_interval": "8s",
    "$__interval_ms": "1000",
    "$__interval": "1s",
    "$__range_ms": f"{SECONDS}000",
    "$__range_s": str(SECONDS),
    "$__range": f"{SECONDS}s",
}
#: An alert that fires at once; the real ones wait for minutes, apart from the watchdog.
RULES = {
    "groups": [
        {
            "name": "test",
            "rules": [
                {
                    "alert": "DatabasePoolExhausted",
                    "expr": "database_connections_active > 0",
                    "labels": {"severity": "critical"},
                },
            ],
        }
    ]
}


class Fleet:
    """A context manager: when it is entered, all services have worked for a while; Prometheus runs until the end.

    Args:
        folder: Where its files go.
        collector: The collector's program; without it, Prometheus scrapes the services themselves.

    Attributes:
        has_collector: Whether a collector stands between services and Prometheus.
        ended: When the work ended, seconds since the epoch.
    """

    def __init__(self, folder: Path, collector: Path | None = None) -> None:
        self._folder = folder
        self._secrets = folder / "secrets"
        self._collector = collector
        self.has_collector = collector is not None
        self._stack = ExitStack()
        self._shops: dict[int, Service] = {}
        self.ended = 0.0

    def __enter__(self) -> Fleet:
        ports = {name: free_port() for name in ("shop", "shop-2", "ledger", "leaver", "advisor")}
        create_secrets(self._secrets)
        with self._stack as stack:
            self._start_prometheus(self._scraped(ports))
            for name in ("shop", "shop-2"):
                stack.enter_context(self._shop(name, ports[name]))
            ledger = self._ledger("ledger", ports["ledger"])
            leaver = self._ledger("leaver", ports["leaver"])
            advisor = self._advisor(ports["advisor"])
            self._work(leaver)
            self.ended = time.time()
            # The services stay up: what has just ended is stale to Prometheus.
            self._stack = stack.pop_all()
            self._stack.callback(_end, ledger)
            self._stack.callback(_stop, advisor)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def range(self, expr: str, step: float = 1.0) -> list[dict[str, Any]]:
        """The series of a graph over the whole time."""
        times = {"start": self.ended - SECONDS, "end": self.ended, "step": step}
        return list(self.ask("query_range", {"query": expr, **times})["result"])

    def instant(self, expr: str) -> list[dict[str, Any]]:
        """The series at the end of the time, each with one value."""
        return list(self.ask("query", {"query": expr, "time": self.ended})["result"])

    def ask(self, path: str, parameters: Mapping[str, Any]) -> Any:
        """The data of Prometheus' answer."""
        headers = {**self._login, "Content-Type": "application/x-www-form-urlencoded"}
        is_form = path in ("query", "query_range")
        form = urllib.parse.urlencode(parameters, doseq=True)
        if is_form:
            self._connection.request("POST", f"/api/v1/{path}", form, headers)
        else:
            self._connection.request("GET", f"/api/v1/{path}?{form}", headers=headers)
        answer = json.loads(self._connection.getresponse().read())
        assert answer["status"] == "success", f"{answer.get('error')}: {parameters}"
        return answer["data"]

    def _scraped(self, ports: Mapping[str, int]) -> list[dict[str, Any]]:
        """What Prometheus scrapes: each service, or the gateway, as collector-config/prometheus has it."""
        if self._collector is None:
            return [
                {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
                for name, port in ports.items()
            ]
        files = {"ca_file": "ca.pem", "cert_file": "prometheus.pem", "key_file": "prometheus.key"}
        return [
            {
                "job_name": "gateway",
                "honor_labels": True,
                "scheme": "https",
                "tls_config": {key: str(self._secrets / name) for key, name in files.items()},
                "static_configs": [{"targets": [f"localhost:{self._start_gateway(self._collector)}"]}],
            }
        ]

    def _start_gateway(self, program: Path) -> int:
        """Start the collector with the gateway's configuration, and say where it is scraped."""
        grpc, port = free_port(), free_port()
        self._otlp = free_port()
        # A process that has ended goes after a while, and a gateway tells of itself now and then; here both is soon.
        overlay = self._folder / "overlay.yaml"
        own = yaml.safe_load(GATEWAY.read_text(encoding="utf-8"))["service"]["telemetry"]["metrics"]
        own["readers"][0]["periodic"]["interval"] = 1000
        settings = {
            "exporters": {"prometheus": {"metric_expiration": "4s"}},
            "service": {"telemetry": {"metrics": {"readers": own["readers"]}}},
        }
        overlay.write_text(yaml.safe_dump(settings))
        environment = {
            **os.environ,
            "DBMON_SECRETS": str(self._secrets),
            "DBMON_STATE": str(self._folder / "state"),
            "DBMON_OTLP_GRPC": f"127.0.0.1:{grpc}",
            "DBMON_OTLP_HTTP": f"127.0.0.1:{self._otlp}",
            "DBMON_SELF": f"https://localhost:{grpc}",
            "DBMON_PROMETHEUS": f"127.0.0.1:{port}",
            "DBMON_TRACE_STORE": f"127.0.0.1:{free_port()}",
            "DBMON_HEALTH": f"127.0.0.1:{free_port()}",
        }
        log = self._stack.enter_context((self._folder / "collector.log").open("wb"))
        process = subprocess.Popen(
            [program, *(f"--config={path}" for path in (GATEWAY, STORE, overlay))],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        self._stack.callback(_stop, process)
        return port

    def _start_prometheus(self, scraped: list[dict[str, Any]]) -> None:
        program, port = need("prometheus"), free_port()
        (self._folder / "rules.yml").write_text(yaml.safe_dump(RULES))
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml", str(ROOT / "collector-config" / "prometheus" / "rules" / "*.yml")],
            "scrape_configs": scraped,
        }
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = [
            str(program),
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            f"--web.config.file={self._secrets / 'web' / 'prometheus.yml'}",
            "--enable-feature=exemplar-storage",
        ]
        log = self._stack.enter_context((self._folder / "prometheus.log").open("wb"))
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._stack.callback(_stop, process)
        self._connect(port, process)

    def _connect(self, port: int, process: subprocess.Popen[bytes]) -> None:
        """Open the connection that Grafana would, with the files that its provisioning names."""
        source = next(
            found for found in yaml.safe_load(SOURCES.read_text())["datasources"] if found["type"] == "prometheus"
        )
        files = {key: self._secrets / _file(value) for key, value in source["secureJsonData"].items()}
        context = ssl.create_default_context(cafile=str(files["tlsCACert"]))
        context.load_cert_chain(files["tlsClientCert"], files["tlsClientKey"])
        login = f"{source['basicAuthUser']}:{files['basicAuthPassword'].read_text()}"
        self._login = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}
        self._connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=30)
        self._stack.callback(self._connection.close)
        deadline = time.monotonic() + 30
        while True:
            try:
                self._connection.request("GET", "/-/ready", headers=self._login)
                if self._connection.getresponse().read().startswith(b"Prometheus"):
                    return
            except OSError:
                self._connection.close()
            assert process.poll() is None, (self._folder / "prometheus.log").read_text()
            assert time.monotonic() < deadline, (self._folder / "prometheus.log").read_text()
            time.sleep(0.1)

    def _shop(self, name: str, metrics_port: int) -> Service:
        folder, port = self._folder / name, free_port()
        folder.mkdir()
        service = Service(folder, port, self._environment(name, metrics_port))
        self._shops[port] = service
        return service

    def _ledger(self, name: str, metrics_port: int) -> subprocess.Popen[bytes]:
        command = ["opentelemetry-instrument", sys.executable, LEDGER, self._folder / f"{name}.db"]
        return self._start(name, metrics_port, command)

    def _advisor(self, metrics_port: int) -> subprocess.Popen[bytes]:
        """Start what looks for indexes, on a table that lacks one."""
        database, statements = self._folder / "advised.db", self._folder / "advised.sql"
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, account INTEGER, cents INTEGER)")
            connection.executemany("INSERT INTO entries VALUES (?, ?, 1)", ((i, i % 500) for i in range(5000)))
            connection.commit()
        statements.write_text("SELECT cents FROM entries WHERE account = 7;")
        publish = "prometheus" if self._collector is None else "otlp"
        options = ["--file", statements, "--watch", "10", "--publish", publish, "--service", "ledger"]
        return self._start("advisor", metrics_port, ["otel-dbmon", "advise", database, *options])

    def _start(self, name: str, metrics_port: int, command: Sequence[object]) -> subprocess.Popen[bytes]:
        program, *arguments = map(str, command)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "COV_"))}
        log = self._stack.enter_context((self._folder / f"{name}.log").open("wb"))
        return subprocess.Popen(
            [str(Path(sys.executable).with_name(program)), *arguments],
            env={**inherited, **self._environment(name, metrics_port), "OTEL_DBMON_TOP_QUERIES": "3"},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )

    def _work(self, leaver: subprocess.Popen[bytes]) -> None:
        """Let visitors come to the shops; halfway, one service ends."""
        with ExitStack() as visitors:
            for port, service in self._shops.items():
                service.wait_until_up()
                visitors.enter_context(traffic(Shop(port)))
            self._wait_for_all()
            time.sleep(SECONDS / 2)
            _end(leaver)
            time.sleep(SECONDS / 2)

    def _wait_for_all(self) -> None:
        """Return when Prometheus knows every service, however slow the machine is."""
        deadline = time.monotonic() + 60
        known = "count(count by (service) (database_query_duration_seconds_count))"
        told = f"{known} == 4 and on () count(database_index_suggestions)"
        while not self.ask("query", {"query": told})["result"]:
            assert time.monotonic() < deadline, [path.read_text() for path in self._folder.glob("*.log")]
            time.sleep(0.2)

    def _environment(self, name: str, metrics_port: int) -> dict[str, str]:
        common = {
            "OTEL_SERVICE_NAME": name,
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "sqlite3",
            "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(metrics_port),
            "OTEL_DBMON_SLOW_QUERY_THRESHOLD": "15",
            "OTEL_DBMON_EXPLAIN": "slow",
            "OTEL_DBMON_EXPLAIN_INTERVAL": "1000",
        }
        if self._collector is None:
            return {**common, "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
        return {
            **common,
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://localhost:{self._otlp}",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": str(self._secrets / "ca.pem"),
            # Where a machine has one, requests prefers it to what the exporter says.
            "REQUESTS_CA_BUNDLE": str(self._secrets / "ca.pem"),
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(self._secrets / "service.pem"),
            "OTEL_EXPORTER_OTLP_CLIENT_KEY": str(self._secrets / "service.key"),
        }


def _file(reference: str) -> str:
    """The name of the file in ``$__file{/run/secrets/name}``."""
    return reference.removeprefix("$__file{/run/secrets/").removesuffix("}")


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait(30)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(20)
    finally:
        process.kill()
