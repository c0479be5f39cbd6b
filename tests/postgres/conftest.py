"""One PostgreSQL for all tests here: a server that is named, or a private one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "otel_dbmon"))

from cluster import MariaDB, PostgreSQL, private
from matrix import CLIENTS, COLUMNS, LISTED
from server import Server

_counts: dict[tuple[str, str], str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Take what a cell counted from its report, which comes from the process that ran the test."""
    for name, value in report.user_properties:
        if name == "matrix" and report.when == "call":
            client, column, counts = value
            _counts[client, column] = counts


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the matrix, whatever was asked to be reported."""
    if not _counts:
        return
    clients = [client for client in CLIENTS if any(cell[0] == client for cell in _counts)]
    terminalreporter.section("statements: by the server, by our metric, by spans")
    terminalreporter.write_line(" " * 18 + "".join(f"{client:>12}" for client in clients))
    for column in COLUMNS:
        counts = "".join(f"{_counts.get((client, column), '.'):>12}" for client in clients)
        terminalreporter.write_line(f"{column:18}{counts}")
    terminalreporter.write_line("Batches (executemany, pipeline) are one span that holds its number of operations.")
    for column, (_, why) in LISTED.items():
        terminalreporter.write_line(f"* {column}: {why}")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server with pg_stat_statements: ``OTEL_DBMON_TEST_POSTGRES``, or one that lives as long as the tests."""
    named = os.environ.get("OTEL_DBMON_TEST_POSTGRES")
    with nullcontext() if named else private(PostgreSQL) as own:
        found = Server(named or own.url)
        yield found
        found.close()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[str]:
    """The URL of a MariaDB that lives as long as the tests."""
    with private(MariaDB) as own:
        yield own.url
