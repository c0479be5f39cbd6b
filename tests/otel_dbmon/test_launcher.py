"""The main job, end to end: a script that knows nothing of us, under the real launcher, against a loopback receiver."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest
from launching import Launched, labels, run

CANARY = b"canary"


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Launched:
    """One run with nothing set but where to send."""
    url = f"sqlite:///{tmp_path_factory.mktemp('shop')}/shop.db"
    with Launched("statements.py", {"DATABASE_URL": url}) as launched:
        launched.sent = json.loads(launched.output.readline())["sent"]  # type: ignore[attr-defined]
        url = f"http://localhost:{launched.port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as response:
            launched.scrape = response.read().decode()  # type: ignore[attr-defined]
    return launched


def test_every_statement_is_one_span_and_one_count(ordinary: Launched) -> None:
    """As many spans and as many counts, in both families, as the client says it sent."""
    sent = ordinary.sent  # type: ignore[attr-defined]
    assert sent == 43
    assert len(ordinary.arrived.statements()) == sent
    for metric in ("database.query.duration", "db.client.operation.duration"):
        assert sum(point.count for point in ordinary.arrived.points(metric)) == sent


def test_a_traced_driver_below_counts_no_statement_again() -> None:
    """sqlite3's own instrumentation adds the one statement that SQLAlchemy sends on its own account."""
    arrived = run("statements.py", {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": ""}).arrived
    assert sorted(span.name for span in arrived.statements() if "users" not in span.name) == ["PRAGMA"]
    assert len(arrived.statements()) == 44


def test_no_value_reaches_the_receiver_the_scrape_or_the_log(ordinary: Launched) -> None:
    """Bound, pasted and in the driver's error message: the canary is nowhere."""
    assert CANARY not in ordinary.arrived.raw
    assert CANARY.decode() not in ordinary.scrape  # type: ignore[attr-defined]
    assert CANARY.decode() not in ordinary.errors


def test_the_specified_series_are_in_the_scrape(ordinary: Launched) -> None:
    """Names and labels as the owner's specification fixes them."""
    scrape = ordinary.scrape  # type: ignore[attr-defined]
    for name, wanted in (
        ("database_query_duration_seconds_count", {'service="user-svc"', 'operation="SELECT"', 'table="users"'}),
        ("database_errors_total", {'service="user-svc"', 'error_type="integrity"'}),
        ("database_errors_total", {'service="user-svc"', 'error_type="timeout"'}),
        ("database_connections_active", {'service="user-svc"', "database="}),
    ):
        lines = [line for line in scrape.splitlines() if line.startswith(name + "{")]
        assert [line for line in lines if all(label in line for label in wanted)], (name, lines)


def test_an_error_says_what_it_was_and_not_for_whom(ordinary: Launched) -> None:
    """Class, code, constraint and table stay on the failed statement's span."""
    (failed,) = [span for span in ordinary.arrived.spans() if "error.type" in labels(span)]
    assert labels(failed)["error.type"] == "sqlite3.IntegrityError"
    assert failed.name == "INSERT users"
    assert failed.status.message == "UNIQUE constraint failed: users.email"
    counted = [point for point in ordinary.arrived.points("database.errors") if point.as_int]
    assert [(labels(point)["operation"], labels(point)["error_type"]) for point in counted] == [("INSERT", "integrity")]
    assert counted[0].as_int == 1


def test_contribs_own_meters_are_off(ordinary: Launched) -> None:
    """They count what we count, in buckets of another unit."""
    assert "db.client.connections.usage" not in ordinary.arrived.metric_names()


def test_engines_are_traced_where_there_is_no_greenlet(tmp_path: Path) -> None:
    """SQLAlchemy 2.1 does not bring it along: there are no async engines then, and everything else is as ever."""
    (tmp_path / "greenlet.py").write_text("raise ImportError('there is no greenlet')")
    environment = {"PYTHONPATH": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/shop.db"}
    with Launched("statements.py", environment) as launched:
        launched.output.readline()
        with urllib.request.urlopen(f"http://localhost:{launched.port}/metrics", timeout=10) as response:
            assert "database_connections_active{" in response.read().decode()
    assert len(launched.arrived.statements()) == 43
    kinds = [labels(span)["error.type"] for span in launched.arrived.spans() if "error.type" in labels(span)]
    assert kinds == ["sqlite3.IntegrityError"]
    assert launched.arrived.points("dbmon.failures") == []
    assert "ImportError" not in launched.errors


def test_an_unsampled_service_is_counted_in_full() -> None:
    """Head sampling decides what is exported, not what is true."""
    environment = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}
    arrived = run("statements.py", environment).arrived
    assert arrived.spans() == []
    assert sum(point.count for point in arrived.points("database.query.duration")) == 43


def test_recording_of_unsampled_statements_can_be_switched_off() -> None:
    """Then only what is sampled is counted."""
    environment = {"OTEL_TRACES_SAMPLER": "always_off", "OTEL_DBMON_RECORD_UNSAMPLED": "false"}
    assert run("statements.py", environment).arrived.points("database.query.duration") == []


def test_a_launcher_flag_sets_a_setting() -> None:
    """Each setting is a flag of the launcher."""
    statements = run("statements.py", flags=["--dbmon_slow_query_threshold", "0"]).arrived.statements()
    assert len(statements) == 43
    assert all(labels(span)["dbmon.slow"] for span in statements)


def test_a_wrong_setting_is_one_warning_and_a_default() -> None:
    """It names the variable, the value and what is used instead."""
    launched = run("statements.py", {"OTEL_DBMON_SLOW_QUERY_THRESHOLD": "fast"})
    (warning,) = [line for line in launched.errors.splitlines() if "OTEL_DBMON_SLOW_QUERY_THRESHOLD" in line]
    assert "'fast'" in warning
    assert "1000" in warning
    assert launched.arrived.spans()


@pytest.mark.parametrize("switch", [{"OTEL_DBMON_ENABLED": "false"}, {"OTEL_SDK_DISABLED": "true"}])
def test_a_switch_turns_everything_off(switch: dict[str, str]) -> None:
    """Nothing arrives and nothing listens; the script runs as it always did."""
    with Launched("statements.py", switch) as launched:
        assert json.loads(launched.output.readline()) == {"sent": 43}
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(f"http://localhost:{launched.port}/metrics", timeout=10)
    assert launched.arrived.messages == []
    assert launched.process.returncode == 0


def test_one_line_does_what_the_launcher_does() -> None:
    """Also for an engine that existed before the line, and when the line is there twice."""
    arrived = run("one_line.py", {"OTEL_SERVICE_NAME": ""}, launcher=False).arrived
    statements = arrived.statements()
    assert [labels(span)["db.query.text"] for span in statements] == ["SELECT ? AS name"] * 2
    assert {resource["service.name"] for resource in arrived.resources()} == {"one-line"}
    assert all(labels(span)["dbmon.slow"] for span in statements)
    assert CANARY not in arrived.raw


def test_the_stock_prometheus_exporter_is_replaced_by_ours() -> None:
    """Who asks for ``prometheus`` by the standard variable gets our endpoint at the standard port."""
    with Launched("statements.py", {"OTEL_METRICS_EXPORTER": "prometheus"}) as launched:
        launched.output.readline()
        with urllib.request.urlopen(f"http://localhost:{launched.port}/metrics", timeout=10) as response:
            assert "database_query_duration_seconds_count" in response.read().decode()
    assert launched.arrived.metric_names() == set()
