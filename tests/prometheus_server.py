"""Runs a Prometheus of this machine on a free port, as long as a test wants it."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import requests
from launching import free_port
from programs import need

_START_S = 30


def backfill(openmetrics: str, folder: Path, *options: str) -> None:
    """Let a Prometheus that runs in this folder know what a page with times says.

    Args:
        openmetrics: The page.
        folder: Where the Prometheus keeps its files.
        options: More of promtool's command line.
    """
    page = folder / "page"
    page.write_text(openmetrics)
    command = [need("promtool"), "tsdb", "create-blocks-from", "openmetrics", *options, page, folder / "data"]
    subprocess.run(command, check=True, capture_output=True)


@contextlib.contextmanager
def running(
    folder: Path, *options: str, config: str = "{}\n", scheme: str = "http", ask: Mapping[str, object] | None = None
) -> Iterator[str]:
    """A Prometheus that is ready: its address.

    Args:
        folder: Where its files go; what `backfill` put there is known to it.
        options: More of its command line.
        config: Its configuration.
        scheme: By which it is reached.
        ask: What `requests` needs to reach it.
    """
    (folder / "prometheus.yml").write_text(config)
    port = free_port()
    command = [
        need("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        *options,
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        url = f"{scheme}://localhost:{port}"
        try:
            _wait(lambda: requests.get(f"{url}/-/ready", timeout=5, **(ask or {})).ok)  # type: ignore[arg-type]
            yield url
        finally:
            process.terminate()


def _wait(is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.RequestException):
            if is_ready():
                return
        time.sleep(0.1)
    raise AssertionError("Prometheus does not start")
