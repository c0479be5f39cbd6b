"""Servers that pages speak of, each started once for all pages, and only when a page needs it."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "otel_dbmon"))
sys.path.insert(0, str(Path(__file__).parents[1] / "postgres"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from cluster import PostgreSQL, private
from launching import Arrived, free_port
from programs import need

from otel_dbmon.demo.receiver import Receiver


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a private PostgreSQL."""
    with private(PostgreSQL) as own:
        yield own.url


@pytest.fixture(scope="session")
def receiver() -> Iterator[str]:
    """The URL of somebody who takes OTLP."""
    with Receiver(Arrived().take) as receiver:
        yield receiver.url


@pytest.fixture(scope="session")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an Alertmanager that tells nobody."""
    need("amtool")
    program = need("alertmanager", "prometheus-alertmanager")
    folder = tmp_path_factory.mktemp("alertmanager")
    (folder / "alertmanager.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    url = f"http://127.0.0.1:{free_port()}"
    command = [program, "--config.file=alertmanager.yml", f"--web.listen-address={url.removeprefix('http://')}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, "--cluster.listen-address="], cwd=folder, stdout=log, stderr=log)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/-/ready", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)
