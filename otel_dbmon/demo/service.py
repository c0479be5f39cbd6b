"""Starts the shop as a process of its own under ``opentelemetry-instrument``, exactly as a service is started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

_START_S, _STOP_S = 30.0, 5.0
_NEEDED = ("flask", "sqlalchemy", "opentelemetry.instrumentation.flask")


class DemoError(Exception):
    """The demo cannot go on; the message says why, and what to do.

    Attributes:
        exit_code: 1, or 2 if the mistake is in how the demo was called.
    """

    exit_code = 1


class MissingExtraError(DemoError):
    """What the shop is built with is not installed."""

    exit_code = 2


def find_app() -> Path:
    """The shop's ``app.py``: in a checkout where it is written, in an installed wheel as package data.

    Raises:
        DemoError: If it is at neither place.
    """
    package = Path(__file__).parent.parent
    for folder in (package / "examples", package.parent / "examples"):
        app = folder / "shop" / "app.py"
        if app.is_file():
            return app
    raise DemoError("The shop's source is not in this installation of otel-dbmon.")


def check_requirements() -> None:
    """Make sure that what the shop is built with is installed.

    Raises:
        MissingExtraError: If it is not.
    """
    for module in _NEEDED:
        try:
            found = find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise MissingExtraError('It needs the "demo" extra: pip install "otel-dbmon[demo]"')


def free_port(wanted: int = 0) -> int:
    """A loopback port that nobody listens on at this moment.

    Args:
        wanted: The port to take; 0 takes any.

    Raises:
        DemoError: If somebody listens there.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise DemoError(f"Port {wanted} cannot be used ({error.strerror}); choose another with --port") from None
        port: int = probe.getsockname()[1]
        return port


class Service:
    """The running shop; a context manager that stops it.

    Args:
        folder: Where it runs: its database and its log are there.
        port: Where it listens.
        environment: What it is started with besides the current environment, from which all ``OTEL_*`` are taken out
            that are not ours.
    """

    def __init__(self, folder: Path, port: int, environment: Mapping[str, str]) -> None:
        self.log = folder / "shop.log"
        self._folder = folder
        self._port = port
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Service:
        launcher = Path(sysconfig.get_path("scripts")) / "opentelemetry-instrument"
        command = [str(launcher), sys.executable, str(find_app())]
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C reaches only the demo, which then stops the shop.
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=self._whole_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait_until_up(self) -> None:
        """Return when the shop takes connections.

        Raises:
            DemoError: If it stops, or takes too long.
        """
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            self.check()
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise DemoError(f"The shop did not answer within {_START_S:.0f} s; its log is {self.log}")

    def check(self) -> None:
        """Make sure that the shop is running.

        Raises:
            DemoError: If it is not.
        """
        assert self._process is not None
        code = self._process.poll()
        if code is not None:
            raise DemoError(f"The shop stopped with exit code {code}; its log is {self.log}")

    def _whole_environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("OTEL_") or name.startswith("OTEL_DBMON_")
        }
        loopback = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        shop = {"SHOP_PORT": str(self._port), "SHOP_DATABASE": "shop.db"}
        return {**inherited, **loopback, **shop, **self._environment}
