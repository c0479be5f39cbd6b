"""Starts Alertmanager and Prometheus with the files of collector-config, but for addresses and waiting times."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from launching import free_port
from listening import until
from programs import need
from rulebook import ROOT

_CONFIGURATION = ROOT / "collector-config"


class Program:
    """A context manager around one program of the stack that speaks TLS and asks for a password.

    Args:
        folder: Where its files and data go.
        secrets: Certificates and passwords.
    """

    name: str

    def __init__(self, folder: Path, secrets: Path) -> None:
        self.secrets = secrets
        self.folder = folder / self.name
        shutil.copytree(_CONFIGURATION / self.name, self.folder)
        (self.folder / "secrets").symlink_to(secrets)
        self.address = f"localhost:{free_port()}"
        self.log = self.folder / "log"

    def command(self) -> list[object]:
        """What starts it."""
        raise NotImplementedError

    def change(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change its configuration before it starts."""
        path = self.folder / f"{self.name}.yml"
        configuration = yaml.safe_load(path.read_text(encoding="utf-8"))
        change(configuration)
        path.write_text(yaml.safe_dump(configuration), encoding="utf-8")

    def __enter__(self) -> Program:
        with self.log.open("w") as log:
            command = [str(part) for part in self.command()]
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        try:
            until(self._ready, f"{self.name} answers: {self.log}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ask(self, path: str, body: object = None) -> Any:
        """Call its API as the operator, who has a certificate and a password."""
        context = ssl.create_default_context(cafile=str(self.secrets / "ca.pem"))
        context.load_cert_chain(self.secrets / "operator.pem", self.secrets / "operator.key")
        password = (self.secrets / "operator.password").read_text().strip()
        headers = {
            "Authorization": "Basic " + b64encode(f"operator:{password}".encode()).decode(),
            "Content-Type": "application/json",
        }
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"https://{self.address}{path}", data, headers)
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            text = answer.read().decode()
        return json.loads(text) if text.startswith(("{", "[")) else text

    def _ready(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        try:
            self.ask("/-/ready")
        except (urllib.error.URLError, OSError):
            return False
        return True


class Alertmanager(Program):
    """Alertmanager, which waits a second where it would wait half a minute."""

    name = "alertmanager"

    def deliver_to(self, webhook: str, plain: str) -> None:
        """Send everything to servers of the test, and soon."""

        def change(configuration: dict[str, Any]) -> None:
            configuration["global"]["pagerduty_url"] = f"{plain}/pagerduty"
            receivers = {receiver["name"]: receiver for receiver in configuration["receivers"]}
            receivers["webhook"]["webhook_configs"][0]["url"] = f"{webhook}/alerts"
            receivers["watchdog"]["webhook_configs"][0]["url"] = f"{plain}/watchdog"
            for route in (configuration["route"], *configuration["route"]["routes"]):
                route |= {"group_wait": "1s", "group_interval": "2s"}

        self.change(change)

    def command(self) -> list[object]:
        """Likewise."""
        return [
            need("prometheus-alertmanager", "alertmanager"),
            "--config.file=alertmanager.yml",
            "--web.config.file=secrets/web/alertmanager.yml",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
            f"--storage.path={self.folder / 'data'}",
        ]


class Prometheus(Program):
    """Prometheus, which looks every second."""

    name = "prometheus"

    def look_at(self, **targets: str) -> None:
        """Say where the programs are that it scrapes and tells."""

        def change(configuration: dict[str, Any]) -> None:
            configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}

        self.change(change)
        for name in ("gateway", "prometheus", "alertmanager"):
            found = targets.get(name)
            text = yaml.safe_dump([{"targets": [found]}] if found else [])
            (self.folder / "targets" / f"{name}.yml").write_text(text)

    def command(self) -> list[object]:
        """Likewise."""
        return [
            need("prometheus"),
            "--config.file=prometheus.yml",
            "--web.config.file=secrets/web/prometheus.yml",
            f"--web.listen-address={self.address}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            # Alerts may come before Alertmanager is known.
            "--rules.alert.resend-delay=1s",
            "--log.level=warn",
        ]
