"""One PostgreSQL for all tests here: a server that is named, or a private one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "otel_dbmon"))

from cluster import Cluster, Unavailable
from server import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server with pg_stat_statements: ``OTEL_DBMON_TEST_POSTGRES``, or one that lives as long as the tests."""
    named = os.environ.get("OTEL_DBMON_TEST_POSTGRES")
    if named:
        found = Server(named)
        yield found
        found.close()
        return
    try:
        with Cluster() as cluster:
            found = Server(cluster.url)
            yield found
            found.close()
    except Unavailable as reason:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(str(reason))
        pytest.skip(str(reason))
