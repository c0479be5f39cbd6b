"""Every statement exactly once: what the server counted, our metric counted and was exported, cell by cell."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from launching import Launched, labels
from matrix import CLIENTS, ERROR_TYPES, LISTED, cells, table
from server import Server

WORKLOAD = Path(__file__).parent / "apps" / "workload.py"
ERROR = 2


class Cell(NamedTuple):
    """The counts of one cell.

    Attributes:
        server: What the server counted: executed or failed.
        failed: What it says it failed with, SQLSTATE by SQLSTATE; for SQLite, which does not say, nothing.
        metric: The count of ``database.query.duration``.
        spans: The exported spans.
        operations: What these stand for: one, or the size of a batch.
        errors: ``db.response.status_code`` of the failed ones, "" where the driver gives none.
    """

    server: int
    failed: list[str]
    metric: int
    spans: int
    operations: int
    errors: list[str]


class Counted(NamedTuple):
    """What the server counted while all clients ran; see ``Server``."""

    executed: list[tuple[str, int]]
    failed: list[tuple[str, str]]


class Run:
    """One client's process, from start to end."""

    def __init__(self, client: str, server: Server) -> None:
        columns = CLIENTS[client].split()
        environment = {
            "CLIENT": client,
            "COLUMNS": ",".join(columns),
            "DATABASE_URL": server.url,
            # The hardest case: every driver below SQLAlchemy is traced as well.
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "",
            "OTEL_DBMON_PROMETHEUS": "false",
        }
        with Launched(str(WORKLOAD), environment) as launched:
            self.trouble: dict[str, str] = json.loads(launched.output.readline() or '{"*": "no output"}')
        self.arrived = launched.arrived
        self.errors = launched.errors
        self.points = self.arrived.points("database.query.duration")

    def cell(self, name: str, counted: Counted) -> Cell:
        """The counts of the cell with this table."""
        spans = [span for span in self.arrived.statements() if name in labels(span)["db.query.text"]]
        failed = [code for code, statement in counted.failed if name in statement]
        executed = sum(calls for statement, calls in counted.executed if name in statement)
        executed += sum(line.startswith("ran: ") and name in line for line in self.errors.splitlines())
        return Cell(
            executed + len(failed),
            failed,
            sum(point.count for point in self.points if labels(point)["table"] == name),
            len(spans),
            sum(labels(span).get("db.operation.batch.size", 1) for span in spans),
            [labels(span).get("db.response.status_code", "") for span in spans if span.status.code == ERROR],
        )

    def blank(self) -> Cell:
        """The counts of texts that hold no statement: they name no table."""
        spans = [
            span
            for span in self.arrived.spans()
            if span.name in ("postgresql", "sqlite") and "db.query.text" not in labels(span)
        ]
        metric = sum(point.count for point in self.points if not labels(point)["operation"])
        return Cell(0, [], metric, len(spans), len(spans), [])


@pytest.fixture(scope="module")
def runs(server: Server, request: pytest.FixtureRequest) -> Iterator[dict[str, Run]]:
    """Every client that a selected test is about, several at once."""
    selected = {item.callspec.params.get("client") for item in request.session.items if hasattr(item, "callspec")}
    clients = [client for client in CLIENTS if client in selected]
    for client in clients:
        for column in CLIENTS[client].split():
            name = table(client, column)
            server.run(
                f"CREATE TABLE {name} (id serial PRIMARY KEY, name text)",
                f"INSERT INTO {name} (name) SELECT 'n' FROM generate_series(1, 10)",
            )
    server.run("SELECT pg_stat_statements_reset()")
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        finished = executor.map(lambda client: Run(client, server), clients)
        yield dict(zip(clients, finished, strict=True))
    for client in clients:
        for column in CLIENTS[client].split():
            server.run(f"DROP TABLE {table(client, column)}")


@pytest.fixture(scope="module")
def counted(server: Server, runs: dict[str, Run]) -> Counted:
    """The server's counts, when all clients are done."""
    return Counted(server.executed(), server.failed())


@pytest.mark.parametrize(("client", "column"), cells())
def test_every_statement_is_counted_once(
    client: str, column: str, runs: dict[str, Run], counted: Counted, record_property: Callable[[str, object], None]
) -> None:
    """The server's count is the operations', and the metric's count is the spans'; or the column is on the list."""
    run = runs[client]
    name = table(client, column)
    assert "*" not in run.trouble, run.errors
    assert column not in run.trouble, run.trouble[column]
    cell = run.blank() if column == "blank" else run.cell(name, counted)
    difference, _ = LISTED.get(column, (0, ""))
    counts = f"{cell.server} {cell.metric} {cell.spans}" + ("*" if difference else "")
    record_property("matrix", (client, column, counts))
    if column == "refused":
        assert cell == Cell(0, [], 0, 0, 0, [])
        return
    assert cell.spans, "nothing was exported"
    assert cell.metric == cell.spans
    assert cell.operations - cell.server == difference


@pytest.mark.parametrize("client", CLIENTS)
def test_every_failure_has_its_type(client: str, runs: dict[str, Run]) -> None:
    """``database.errors`` has one failure for each column in which something fails, by type."""
    run = runs[client]
    wanted = Counter(ERROR_TYPES[column] for column in CLIENTS[client].split() if column in ERROR_TYPES)
    failures: Counter[str] = Counter()
    for point in run.arrived.points("database.errors"):
        if labels(point)["operation"] and point.as_int:
            failures[labels(point)["error_type"]] += point.as_int
    # A pipeline's skipped statement is cancelled; a pool tries more than once to connect.
    failures["cancelled"] -= "pipeline_error" in CLIENTS[client]
    failures["connection"] = min(failures["connection"], wanted["connection"])
    assert +failures == wanted


@pytest.mark.parametrize(
    ("client", "column"),
    [cell for cell in cells() if cell[1] in ERROR_TYPES and cell[1] != "refused" and "sqlite" not in cell[0]],
)
def test_every_failure_has_the_servers_code(client: str, column: str, runs: dict[str, Run], counted: Counted) -> None:
    """``db.response.status_code`` is the SQLSTATE in the server's own log, where the driver knows it."""
    cell = runs[client].cell(table(client, column), counted)
    known = [code for code in cell.errors if code]
    # asyncpg has a code of its own for a connection that is gone; 08003 is no answer of the server.
    assert set(known) <= {*cell.failed, "08003"}
    assert len(cell.errors) == len(cell.failed) + (column == "pipeline_error")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_refused_connection_is_one_error_and_one_span(client: str, runs: dict[str, Run]) -> None:
    """It has no statement to count; the error has an operation of its own."""
    if "refused" not in CLIENTS[client]:
        return
    run = runs[client]
    database = table(client, "refused")
    errors = sum(
        point.as_int
        for point in run.arrived.points("database.errors")
        if labels(point)["operation"] == "CONNECT" and labels(point)["database"] == database
    )
    spans = [
        span
        for span in run.arrived.spans()
        if span.name == "connect" and labels(span).get("db.namespace") == database and labels(span).get("error.type")
    ]
    assert errors == len(spans) >= 1
    if "pool" not in client:
        assert errors == 1


@pytest.mark.parametrize("client", CLIENTS)
def test_both_families_count_the_same(client: str, runs: dict[str, Run]) -> None:
    """The specified metric and the stable OpenTelemetry one, all statements of the process together."""
    run = runs[client]
    standard = run.arrived.points("db.client.operation.duration")
    assert sum(point.count for point in standard) == sum(point.count for point in run.points)


@pytest.mark.parametrize("client", CLIENTS)
def test_what_drivers_do_by_themselves_is_no_query(client: str, runs: dict[str, Run], counted: Counted) -> None:
    """BEGIN and COMMIT of a connection's methods, and what a cursor fetches, reach the server and are not counted."""
    operations = {labels(point)["operation"] for point in runs[client].points}
    assert operations.isdisjoint({"BEGIN", "COMMIT", "FETCH", "CLOSE", "DECLARE"})
    sent = {statement.split()[0].rstrip(";").upper() for statement, _ in counted.executed}
    assert {"BEGIN", "COMMIT"} <= sent or "sqlite" in client


@pytest.mark.parametrize("client", CLIENTS)
def test_nothing_of_ours_failed(client: str, runs: dict[str, Run]) -> None:
    """No failure counted, and no warning of ours but the one that follows contrib's refusal of SQLAlchemy 2.1."""
    run = runs[client]
    ours = [line for line in run.errors.splitlines() if "otel-dbmon" in line]
    assert [line for line in ours if not line.endswith("is newer than contrib allows; instrumented")] == []
    assert [labels(point) for point in run.arrived.points("dbmon.failures") if point.as_int] == []


def test_the_list_is_documented() -> None:
    """Whatever differs is in docs/counting.md, by name and in the same words."""
    documented = " ".join((Path(__file__).parents[2] / "docs" / "counting.md").read_text().split())
    for column, (_, why) in LISTED.items():
        assert f"`{column}`" in documented
        assert why in documented
