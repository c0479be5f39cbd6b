"""Every kind of error, provoked for real: its type, its code, and a message that keeps names and loses values."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml
from launching import Launched, labels
from server import Server

HERE = Path(__file__).parent
CASES = yaml.safe_load((HERE / "errors.yaml").read_text())
ERROR = 2


def fail_in_every_way(url: str, application: str = "failures.py") -> Launched:
    """One run of the application that fails."""
    environment = {
        "DATABASE_URL": url,
        "OTEL_DBMON_PROMETHEUS": "false",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "",
    }
    with Launched(str(HERE / "apps" / application), environment) as launched:
        launched.raised = json.loads(launched.output.readline() or "[]")  # type: ignore[attr-defined]
    return launched


def check(launched: Launched, database: str, driver: str, module: str) -> None:
    """Compare what arrived with what the cases say."""
    cases = CASES[database]
    raised = launched.raised  # type: ignore[attr-defined]
    assert len(raised) == len(cases), launched.errors
    assert all(raised), list(zip(raised, cases, strict=True))
    failed = [span for span in launched.arrived.statements() if span.status.code == ERROR]
    said = [(labels(span).get("db.response.status_code", ""), span.status.message) for span in failed]
    wanted = [case.get("code_of", {}).get(driver, case["code"]) for case in cases]
    assert all(code in one.split(" or ") or code == one for (code, _), one in zip(said, wanted, strict=True)), said
    for case, span in zip(cases, failed, strict=True):
        assert labels(span)["error.type"].startswith(module)
        assert case.get("says", "") in span.status.message
    types: Counter[str] = Counter()
    for point in launched.arrived.points("database.errors"):
        types[labels(point)["error_type"]] += point.as_int
    assert +types == Counter(case["type"] for case in cases)
    assert b"canary" not in launched.arrived.raw


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "asyncpg"])
def test_postgresql(server: Server, driver: str) -> None:
    """SQLSTATEs of PostgreSQL, through SQLAlchemy over each driver."""
    server.run("DO $$BEGIN CREATE ROLE dbmon_nobody; EXCEPTION WHEN duplicate_object THEN NULL; END$$")
    launched = fail_in_every_way(server.url.replace("postgresql://", f"postgresql+{driver}://"))
    check(launched, "postgresql", driver, driver)


def test_mariadb(mariadb: str) -> None:
    """MariaDB's numbers, through SQLAlchemy over PyMySQL."""
    check(fail_in_every_way(mariadb), "mysql", "pymysql", "pymysql")


def test_sqlite(tmp_path: Path) -> None:
    """SQLite's names of its result codes, where Python gives them."""
    check(fail_in_every_way(f"sqlite:///{tmp_path}/e.db"), "sqlite", "pysqlite", "sqlite3")


def test_a_commit_that_fails_is_an_error_without_a_statement(server: Server) -> None:
    """Through every driver and SQLAlchemy: each is told of once, by a span and in ``database.errors``."""
    arrived = fail_in_every_way(server.url, "commits.py").arrived
    failed = [span for span in arrived.spans() if span.status.code == ERROR]
    assert [span.name for span in failed] == ["commit"] * 8
    assert {labels(span)["db.response.status_code"] for span in failed} == {"23505"}
    counted = {
        (labels(point)["operation"], labels(point)["error_type"]): point.as_int
        for point in arrived.points("database.errors")
        if point.as_int
    }
    assert counted == {("COMMIT", "integrity"): 8}
    assert b"4711" not in arrived.raw
