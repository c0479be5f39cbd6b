"""Starts a program in the background, keeps what it prints in a file, and ends it gently or not at all gently."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

#: Variables of the tests' own environment that no program is to see. What OpenTelemetry's HTTP exporter sends with lets
#: the last two override OTEL_EXPORTER_OTLP_CERTIFICATE.
FOREIGN = ("OTEL_", "COV_", "DBMON_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
#: Nobody is to look for this machine behind a proxy.
NEARBY = {"NO_PROXY": "localhost,127.0.0.1", "no_proxy": "localhost,127.0.0.1"}


class Process:
    """A program that can be started again after it ended.

    Args:
        name: What its log is called.
        folder: Where it runs, and its log goes.
        command: The program and its arguments.
        environment: Variables beside those of the tests.
        is_ready: Whether it does its work; called until it says so.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        command: list[object],
        environment: Mapping[str, str],
        is_ready: Callable[[], bool],
    ) -> None:
        self.name = name
        self._folder = folder
        self._command = [str(part) for part in command]
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
        self._environment = {**inherited, **NEARBY, **environment}
        self._is_ready = is_ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it printed, all runs."""
        return (self._folder / f"{self.name}.log").read_text(errors="replace")

    def launch(self) -> Process:
        """Start it, and don't wait."""
        with (self._folder / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        return self

    def wait(self, seconds: float = 90) -> Process:
        """Until it does its work."""
        deadline = time.monotonic() + seconds
        while not self._is_ready():
            assert self._process is not None
            assert self._process.poll() is None, f"{self.name} ended: {self.log[-3000:]}"
            assert time.monotonic() < deadline, f"{self.name} does not start: {self.log[-3000:]}"
            time.sleep(0.1)
        return self

    def start(self) -> Process:
        """Start it, and wait."""
        return self.launch().wait()

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it, and wait for that."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def cpu_seconds(self) -> float:
        """The CPU time that it has taken."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End it as a power cut would: it gets no time for anything."""
        self.stop(signal.SIGKILL)


def until(what: str, true: Callable[[], object], seconds: float = 60, pause: float = 0.2) -> None:
    """Wait until something is so, or fail with its description."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(pause)


def together(*processes: Process) -> None:
    """Start them all, and wait for all."""
    for process in processes:
        process.launch()
    for process in processes:
        process.wait()
