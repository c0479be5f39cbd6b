"""Runs a program and keeps what it says, line by line, until it is asked to end by a signal."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE_S = 60.0


class Logged:
    """A program; a context manager that starts it, and ends it.

    Args:
        command: What to run.
        environment: All of its environment; it may be filled in until the start.
        folder: Where it runs.
        signum: What asks it to end.

    Attributes:
        log: Standard output and error, line by line; complete after the end.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path, signum: int = signal.SIGTERM
    ) -> None:
        self.log: list[str] = []
        self._command = command
        self._environment = environment
        self._working_folder = folder
        self._signum = signum

    def __enter__(self) -> Logged:
        self.process = subprocess.Popen(
            self._command,
            env=self._environment,
            cwd=self._working_folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reading = threading.Thread(target=self._read)
        self._reading.start()
        return self

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.log.extend(output)

    def end(self, signum: int | None = None) -> None:
        """Ask it to end, and wait until it has."""
        self.process.send_signal(self._signum if signum is None else signum)
        self.process.wait(PATIENCE_S)

    def __exit__(self, *_: object) -> None:
        try:
            if self.process.poll() is None:
                self.end()
        finally:
            self.process.kill()
            self.process.wait()
            self._reading.join(PATIENCE_S)

    def text(self) -> str:
        """The whole log."""
        return "".join(self.log)
