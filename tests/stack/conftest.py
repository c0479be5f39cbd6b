"""What the tests of the stack share: the programs, built once, and secrets of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from programs import UnavailableError, give_up

from otel_dbmon.deploy.credentials import create_secrets

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("tests/otel_dbmon", "tests/postgres", "examples/shop")]

os.environ.update(NO_PROXY="localhost,127.0.0.1", no_proxy="localhost,127.0.0.1")
BUILD = ROOT / "collector-config" / "builder" / "build.sh"
_NO_TOOLCHAIN = 3


def _built(what: str) -> Path:
    done = subprocess.run([BUILD, what], capture_output=True, text=True, check=False)
    if done.returncode == _NO_TOOLCHAIN:
        give_up(UnavailableError(done.stderr.strip()))
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="session")
def collector() -> Path:
    """Our distribution of the collector; ``make collector`` builds it beforehand."""
    return _built("collector")


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates and passwords as ``otel-dbmon deploy`` lays them out."""
    folder = tmp_path_factory.mktemp("stack") / "secrets"
    create_secrets(folder)
    return folder


@pytest.fixture(scope="session")
def prometheus3() -> Path:
    """Prometheus 3; ``make prometheus`` builds it beforehand."""
    return _built("prometheus")
