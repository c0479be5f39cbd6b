"""The whole stack on this machine, every program the real one: who listens where, and how each is started.

service -> agent -> gateway <- Prometheus 2 -> Alertmanager -> webhook
                       |-> Prometheus 3, by OTLP      |-> another collector as trace store -> file
                       |-> VictoriaMetrics, by remote write
"""

from __future__ import annotations

import json
import shutil
import sys
import sysconfig
import textwrap
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml
from asking import Metrics, Operator
from database import SecuredPostgreSQL
from hurry import hurried
from ports import quiet_port
from processes import Process, together
from programs import need

CONFIGURATION = Path(__file__).parents[2] / "collector-config"
COLLECTOR, PROMETHEUS, ALERTMANAGER = (CONFIGURATION / folder for folder in ("collector", "prometheus", "alertmanager"))
SHOP = Path(__file__).parent / "apps" / "shop.py"
#: Where services and collectors would send their metrics every minute or every 15 s, and Prometheus look every 15 s.
#: The interval is the time-out, too: a machine at its limit has to be given that long.
EXPORT_INTERVAL_MS = "1000"
SCRAPE_INTERVAL = "2s"
EVALUATION_INTERVAL = "1s"
#: Like the rules' windows: 5 minutes of the gateway's own file, divided.
EXPIRATION = "20s"
#: The database that the others are copies of.
TEMPLATE = "shop"


class Stack:
    """What is started, by name; nothing runs until it is told to.

    Args:
        folder: Where everything keeps its files.
        secrets: Certificates and passwords.
        collector: Our collector.
        prometheus3: Prometheus 3.
    """

    def __init__(self, folder: Path, secrets: Path, collector: Path, prometheus3: Path) -> None:
        self.folder, self.secrets = folder, secrets
        self._collector, self._prometheus3 = collector, prometheus3
        self.operator = Operator(secrets)
        #: What listens -> where, decided when it is first asked for.
        self.ports: defaultdict[str, int] = defaultdict(quiet_port)
        self.database = SecuredPostgreSQL(secrets)
        self.processes: dict[str, Process] = {}
        self.store_file = folder / "stored.jsonl"

    def url(self, name: str) -> str:
        """Where something listens."""
        return f"https://localhost:{self.ports[name]}"

    def close(self) -> None:
        """End everything at once: what it still has to send, nobody waits for."""
        for process in self.processes.values():
            process.kill()

    # The collectors.

    def collectors(self, **environment: str) -> None:
        """Start the trace store, the gateway and the agent; the variables are for the gateway."""
        together(self.store(), self.gateway(**environment), self.agent())

    def agent(self) -> Process:
        """The agent, as an operator runs it; in batches that fit into queues of a test's size."""
        batch = "exporters: {otlp_grpc/gateway: {sending_queue: {batch: {min_size: 100000, max_size: 400000}}}}"
        return self.run_collector("agent", ["agent.yaml", "postgresql.yaml"], batch, DBMON_POSTGRES=self._postgres())

    def gateway(self, **environment: str) -> Process:
        """The gateway with every destination; the last file is the only thing that is the test's own."""
        files = ["gateway.yaml", "trace-store.yaml", "remote-write.yaml", "prometheus-otlp.yaml"]
        return self.run_collector(
            "gateway",
            files,
            f"""
            exporters: {{prometheus: {{metric_expiration: {EXPIRATION}}}}}
            service: {{pipelines: {{metrics/prometheus: {{exporters: [prometheus, otlp_http/prometheus]}}}}}}
            """,
            DBMON_REMOTE_WRITE=f"{self.url('victoria')}/api/v1/write",
            DBMON_PROMETHEUS_OTLP=f"{self.url('prometheus3')}/api/v1/otlp/v1/metrics",
            **environment,
        )

    def store(self) -> Process:
        """What stands for a trace store: one more gateway, that writes a file."""
        return self.run_collector(
            "store",
            ["gateway.yaml", "file.yaml"],
            "service: {telemetry: {metrics: {readers: [], level: none}}}",
            DBMON_TRACES_FILE=str(self.store_file),
        )

    def run_collector(self, name: str, files: list[str], own: str = "", **environment: str) -> Process:
        """A collector with these files, and a last one that is the test's own."""
        ports = self.ports
        settings = {
            "DBMON_SECRETS": str(self.secrets),
            "DBMON_STATE": str(self.folder / name),
            "DBMON_INSTANCE": name,
            "DBMON_OTLP_GRPC": f"localhost:{ports[f'{name}_grpc']}",
            "DBMON_OTLP_HTTP": f"localhost:{ports[f'{name}_http']}",
            "DBMON_SELF": f"https://localhost:{ports[f'{name}_grpc']}",
            "DBMON_SELF_INTERVAL_MS": EXPORT_INTERVAL_MS,
            "DBMON_HEALTH": f"localhost:{ports[f'{name}_health']}",
            "DBMON_GATEWAY": f"localhost:{ports['gateway_grpc']}",
            "DBMON_PROMETHEUS": f"localhost:{ports[f'{name}_metrics']}",
            "DBMON_TRACE_STORE": f"localhost:{ports['store_grpc']}",
            **environment,
        }
        (self.folder / name).mkdir(exist_ok=True)
        overlay = self.folder / f"{name}.yaml"
        overlay.write_text(textwrap.dedent(own) or "{}\n")
        command = [self._collector, *(f"--config={COLLECTOR / file}" for file in files), f"--config={overlay}"]
        url = self.url(f"{name}_health")
        process = Process(name, self.folder, command, settings, lambda: self.operator.answers(url))
        return self.processes.setdefault(name, process)

    def _postgres(self) -> str:
        return f"localhost:{self.database.port}"

    # What takes metrics, and alerts.

    def observers(self) -> None:
        """Start both Prometheus, VictoriaMetrics and Alertmanager."""
        together(self.alertmanager(), self.prometheus(), self.prometheus3(), self.victoria())

    def prometheus(self) -> Process:
        """Debian's Prometheus, with the rules, in a hurry."""
        folder = self._prometheus_folder("prometheus", (PROMETHEUS / "prometheus.yml").read_text())
        return self._run_prometheus("prometheus", need("prometheus"), folder, "--enable-feature=exemplar-storage")

    def prometheus3(self) -> Process:
        """Prometheus 3, which is sent OTLP and scrapes no gateway; the other one is who raises the alarm."""
        given = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text() + (PROMETHEUS / "otlp.yml").read_text())
        given["scrape_configs"] = [job for job in given["scrape_configs"] if job["job_name"] != "gateway"]
        del given["alerting"]
        folder = self._prometheus_folder("prometheus3", yaml.safe_dump(given))
        return self._run_prometheus(
            "prometheus3",
            self._prometheus3,
            folder,
            "--enable-feature=exemplar-storage",
            "--web.enable-otlp-receiver",
        )

    def _prometheus_folder(self, name: str, text: str) -> Path:
        folder = self.folder / name
        shutil.copytree(PROMETHEUS, folder)
        (folder / "secrets").symlink_to(self.secrets)
        text = text.replace("scrape_interval: 15s", f"scrape_interval: {SCRAPE_INTERVAL}")
        text = text.replace("evaluation_interval: 15s", f"evaluation_interval: {EVALUATION_INTERVAL}")
        (folder / "prometheus.yml").write_text(text)
        for rules in folder.glob("rules/*.yml"):
            rules.write_text(hurried(rules.read_text()))
        targets = {"gateway": "gateway_metrics", "prometheus": name, "alertmanager": "alertmanager"}
        for job in folder.glob("targets/*.yml"):
            own = [f"localhost:{self.ports[targets[job.stem]]}"] if job.stem in targets else []
            job.write_text(json.dumps([{"targets": own}]))
        return folder

    def _run_prometheus(self, name: str, program: Path, folder: Path, *options: str) -> Process:
        command = [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--web.config.file={self.secrets / 'web' / 'prometheus.yml'}",
            f"--web.listen-address=127.0.0.1:{self.ports[name]}",
            f"--storage.tsdb.path={folder / 'data'}",
            *options,
        ]
        ready = f"{self.url(name)}/-/ready"
        return self.processes.setdefault(
            name, Process(name, self.folder, command, {}, lambda: self.operator.answers(ready))
        )

    def victoria(self) -> Process:
        """Debian's VictoriaMetrics; its free edition asks for no certificate, but for a password."""
        password = (self.secrets / "gateway.password").read_text()
        command = [
            need("victoria-metrics"),
            f"-httpListenAddr=127.0.0.1:{self.ports['victoria']}",
            f"-storageDataPath={self.folder / 'victoria'}",
            "-retentionPeriod=1d",
            "-tls",
            f"-tlsCertFile={self.secrets / 'prometheus.pem'}",
            f"-tlsKeyFile={self.secrets / 'prometheus.key'}",
            "-httpAuth.username=gateway",
            "-envflag.enable",
            "-search.latencyOffset=0s",
        ]
        ready = f"{self.url('victoria')}/health"
        process = Process(
            "victoria",
            self.folder,
            command,
            {"httpAuth_password": password},
            lambda: Operator(self.secrets, "gateway").answers(ready),
        )
        return self.processes.setdefault("victoria", process)

    def alertmanager(self) -> Process:
        """Alertmanager as operators get it, in a hurry; only the webhook is there, other ways lead nowhere."""
        folder = self.folder / "alertmanager"
        shutil.copytree(ALERTMANAGER, folder)
        (folder / "secrets").symlink_to(self.secrets)
        given = yaml.safe_load(hurried((ALERTMANAGER / "alertmanager.yml").read_text()))
        given["global"] = {"resolve_timeout": "10s"}
        (webhook,) = (receiver for receiver in given["receivers"] if receiver["name"] == "webhook")
        webhook["webhook_configs"][0]["url"] = self.url("webhook")
        nowhere = [{"name": receiver["name"]} for receiver in given["receivers"] if receiver is not webhook]
        given["receivers"] = [webhook, *nowhere]
        configuration = folder / "alertmanager.yml"
        configuration.write_text(yaml.safe_dump(given))
        command = [
            need("prometheus-alertmanager", "alertmanager"),
            f"--config.file={configuration}",
            f"--storage.path={folder / 'data'}",
            f"--web.config.file={self.secrets / 'web' / 'alertmanager.yml'}",
            f"--web.listen-address=127.0.0.1:{self.ports['alertmanager']}",
            "--cluster.listen-address=",
        ]
        ready = f"{self.url('alertmanager')}/-/ready"
        return self.processes.setdefault(
            "alertmanager", Process("alertmanager", self.folder, command, {}, lambda: self.operator.answers(ready))
        )

    @property
    def metrics(self) -> Metrics:
        """What Debian's Prometheus scraped."""
        return Metrics(self.operator, self.url("prometheus"))

    @property
    def metrics3(self) -> Metrics:
        """What Prometheus 3 was sent."""
        return Metrics(self.operator, self.url("prometheus3"))

    @property
    def remote(self) -> Metrics:
        """What VictoriaMetrics was sent."""
        return Metrics(Operator(self.secrets, "gateway"), self.url("victoria"))

    # Services.

    def shop(self, name: str, pool: int = 5, url: str = "", **environment: str) -> Service:
        """A shop under the launcher, as a service is started, with a database of its own if it is not told another."""
        if not url:
            database = name.replace("-", "_")
            self.database.execute(f"CREATE DATABASE {database} TEMPLATE {TEMPLATE}")
            url = self.database.url_of(database, "+psycopg")
        return Service(self, name, url, environment, pool)

    def adviser(self, service: str, url: str) -> Process:
        """`otel-dbmon advise`, which keeps looking for missing indexes and sends what it finds to the agent."""
        command = [Path(sysconfig.get_path("scripts"), "otel-dbmon"), "advise", "--watch", "10"]
        command += ["--publish", "otlp", "--service", service]
        process = Process(
            "adviser", self.folder, command, {**reporting(self, "adviser"), "DATABASE_URL": url}, lambda: True
        )
        return self.processes.setdefault("adviser", process)

    def stored_spans(self) -> Iterator[dict[str, Any]]:
        """Every span that reached the trace store."""
        return spans_in(self.store_file)


def spans_in(written: Path) -> Iterator[dict[str, Any]]:
    """Every span of a rotated file, with the attributes of its resource under "resource"."""
    for path in sorted(written.parent.glob(f"{written.stem}*{written.suffix}")):
        for line in path.read_text().splitlines():
            for resource in json.loads(line)["resourceSpans"]:
                labels = attributes(resource["resource"])
                for scope in resource["scopeSpans"]:
                    for span in scope["spans"]:
                        yield {**span, "attributes": attributes(span), "resource": labels}


def attributes(holder: Mapping[str, Any]) -> dict[str, Any]:
    """OTLP JSON's attributes as a dict."""
    return {item["key"]: next(iter(item["value"].values()), None) for item in holder.get("attributes", ())}


def reporting(stack: Stack, name: str) -> dict[str, str]:
    """The variables of whatever reports to the agent."""
    return {
        "OTEL_SERVICE_NAME": name,
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.url("agent_http"),
        "OTEL_EXPORTER_OTLP_CERTIFICATE": str(stack.secrets / "ca.pem"),
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(stack.secrets / "service.pem"),
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": str(stack.secrets / "service.key"),
        "OTEL_METRIC_EXPORT_INTERVAL": EXPORT_INTERVAL_MS,
    }


class Service:
    """A shop that runs under the launcher.

    Args:
        stack: Whose agent it reports to.
        name: The name of the service.
        url: Its database.
        environment: More variables.
        pool: Connections in its pool.
    """

    def __init__(self, stack: Stack, name: str, url: str, environment: Mapping[str, str], pool: int) -> None:
        self.name, self.port = name, quiet_port()
        settings = {
            **reporting(stack, name),
            "OTEL_BSP_SCHEDULE_DELAY": EXPORT_INTERVAL_MS,
            "OTEL_DBMON_PROMETHEUS": "false",
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "sqlite3",
            **environment,
        }
        launcher = Path(sysconfig.get_path("scripts"), "opentelemetry-instrument")
        command = [launcher, sys.executable, SHOP, self.port, url, pool]
        self.process = Process(name, stack.folder, command, settings, lambda: self.visit("/health") == 200)
        stack.processes[name] = self.process

    def visit(self, path: str, form: Any = None, timeout: float = 15) -> int:
        """One visit; the answer is the status, or 0 where nobody is at home."""
        body = None if form is None else json.dumps(form).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0


@contextmanager
def running(folder: Path, secrets: Path, collector: Path, prometheus3: Path, **gateway: str) -> Iterator[Stack]:
    """The whole stack, ready for services; the variables are for the gateway."""
    with ExitStack() as opened:
        stack = Stack(folder, secrets, collector, prometheus3)
        opened.enter_context(stack.database)
        stack.database.fill(TEMPLATE)
        # Whoever is connected to a database keeps it from being copied, and the agent looks at all of them.
        stack.database.execute(f"ALTER DATABASE {TEMPLATE} IS_TEMPLATE true ALLOW_CONNECTIONS false")
        opened.callback(stack.close)
        stack.collectors(**gateway)
        stack.observers()
        yield stack
