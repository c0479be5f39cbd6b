"""Runs the commands of a page one after another, as a reader would in one terminal, and servers in another."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

PATIENCE_S = 30.0
#: What a reader leaves running.
_SERVER = re.compile(r"^(?:[A-Z_]+=\S+ )*opentelemetry-instrument ")


class Shell:
    """A terminal: a context manager that ends the servers which were started in it.

    Args:
        folder: Where it begins.
        environment: Variables beside the inherited ones.
        addresses: What a page says -> what it is here.
        scratch: A folder for the terminal's own notes.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], addresses: Mapping[str, str], scratch: Path
    ) -> None:
        self.folder = folder
        self._addresses = addresses
        self._scratch = scratch
        self._servers: list[subprocess.Popen[bytes]] = []
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "COV_", "PYTHON"))}
        self._environment = {
            **inherited,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
            "HOME": str(scratch),
            "OTEL_EXPORTER_PROMETHEUS_PORT": addresses["9464"],
            **environment,
        }

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.send_signal(signal.SIGINT)
        for server in self._servers:
            # How a process ends is looked at elsewhere; one that was still starting may not have heard.
            with suppress(subprocess.TimeoutExpired):
                server.wait(10)
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()

    def run(self, command: str) -> None:
        """Run a command; one that asks a server that has just been started may need more than one try.

        Raises:
            AssertionError: It failed, or the server did not begin to listen.
        """
        command = self._translated(command)
        if _SERVER.match(command):
            self._start(command)
            return
        deadline = time.monotonic() + (PATIENCE_S if self._servers else 0)
        while True:
            code, output = self._try(command)
            if code == 0:
                return
            assert time.monotonic() < deadline, f"{command}\n{output}\n{self._said()}"
            time.sleep(0.2)

    def wait_until_said(self, text: str) -> None:
        """Wait until a server has written this to its terminal.

        Raises:
            AssertionError: It did not.
        """
        deadline = time.monotonic() + PATIENCE_S
        while text not in self._said():
            assert time.monotonic() < deadline, f"{text} is not in\n{self._said()}"
            time.sleep(0.2)

    def _translated(self, command: str) -> str:
        return re.sub(
            "|".join(rf"(?<!\d){re.escape(old)}(?!\d)" for old in sorted(self._addresses, key=len, reverse=True)),
            lambda found: self._addresses[found.group()],
            command,
        )

    def _try(self, command: str) -> tuple[int, str]:
        # What the command leaves behind: its folder and variables are the next one's.
        notes = f'trap \'pwd >"{self._scratch}/folder"; env -0 >"{self._scratch}/environment"\' EXIT'
        with (self._scratch / "output").open("w+b") as output:
            done = subprocess.run(
                ["bash", "-c", f"set -o pipefail\n{notes}\n{command}"],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=PATIENCE_S * 2,
                check=False,
            )
            output.seek(0)
            text = output.read().decode(errors="replace")
        self.folder = Path((self._scratch / "folder").read_text().strip())
        pairs = (self._scratch / "environment").read_text().rstrip("\0").split("\0")
        self._environment = dict(pair.split("=", 1) for pair in pairs)
        return done.returncode, text

    def _start(self, command: str) -> None:
        with (self._scratch / "server").open("ab") as log:
            server = subprocess.Popen(
                ["bash", "-c", f"exec env {command}"],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._servers.append(server)
        port = int(self._addresses["9464"])
        deadline = time.monotonic() + PATIENCE_S
        while not _listens(port):
            assert server.poll() is None, f"{command}\n{self._said()}"
            assert time.monotonic() < deadline, f"{command}\n{self._said()}"
            time.sleep(0.1)

    def _said(self) -> str:
        log = self._scratch / "server"
        return log.read_text(errors="replace") if log.exists() else ""


def _listens(port: int) -> bool:
    with socket.socket() as caller:
        caller.settimeout(1)
        return caller.connect_ex(("127.0.0.1", port)) == 0
