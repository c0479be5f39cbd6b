"""Plans of slow statements, from a service under the launcher, on a real PostgreSQL, as a collector gets them."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from explaining import Console
from launching import labels
from proxy import Proxy
from server import Server

CLIENTS = ("sqlalchemy+psycopg", "sqlalchemy+psycopg2", "psycopg", "psycopg2")
EXPLAINED = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query LIKE 'EXPLAIN%'"
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'otel-dbmon explain'"


def asked(server: Server, question: str) -> int:
    """A number from the server, over a connection of its own."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        row = connection.execute(question).fetchone()
        assert row is not None
        return int(row[0])


def told(event: Any) -> str:
    """The plan in an event, or why there is none."""
    found = labels(event)
    return str(found.get("dbmon.query.plan") or found["dbmon.query.plan.missing"])


@pytest.mark.parametrize("client", CLIENTS)
def test_an_event_carries_the_plan_and_no_value(server: Server, client: str) -> None:
    """Pasted, bound, of a view, of a partial index, of a setting, of a function: none of them leaves."""
    sql = (
        "SELECT u.email FROM users u JOIN open_orders o ON o.user_id = u.id WHERE o.status = 'canaryopen'"
        " AND u.email <> %s AND u.email <> current_setting('canary.name', true) AND u.city < 77331199"
        " AND o.id > canary_rate() ORDER BY u.email || 'canarysort' LIMIT 3"
    )
    with Console(server.url) as console:
        console.send(client, "SELECT set_config('canary.name', 'canarysetting', false)")
        said = console.plan(client, sql, ("canarybound",), of="open_orders")
        record = console.events("open_orders")[-1]
    assert "dbmon.query.plan.missing" not in said, said
    plan = said["dbmon.query.plan"]
    assert "Nested Loop" in plan or "Hash Join" in plan
    assert "on orders" in plan
    assert "on users u" in plan
    assert "(status = ?::text)" in plan or "orders_open_idx" in plan
    assert "Sort Key: ((u.email || $" in plan
    assert said["dbmon.query.plan.cost"] > 0
    assert len(said["dbmon.query.plan.hash"]) == 16
    spans = [span for span in console.arrived.statements() if "open_orders" in labels(span)["db.query.text"]]
    assert (record.trace_id, record.span_id) == (spans[-1].trace_id, spans[-1].span_id)
    for value in (b"canaryopen", b"canaryuser", b"canarybound", b"canarysetting", b"canarysort", b"77331199"):
        assert value not in console.arrived.raw
    for value in (b"1234567", b"424242"):
        assert value not in plan.encode()
    assert "canary" not in console.errors


def test_nothing_of_ours_is_counted(server: Server) -> None:
    """Neither our statements nor our connection are seen in any span or metric."""
    with Console(server.url) as console:
        for client in CLIENTS:
            console.send(client, "SELECT count(*) FROM users")
        console.wait_for("FROM users", count=len(CLIENTS))
    texts = [labels(span)["db.query.text"] for span in console.arrived.statements()]
    assert texts.count("SELECT count(*) FROM users") == len(CLIENTS)
    assert not [text for text in texts if text.startswith(("EXPLAIN", "PREPARE", "BEGIN", "DEALLOCATE"))]
    counted = sum(
        point.count for point in console.arrived.points("database.query.duration") if labels(point)["table"] == "users"
    )
    assert counted == len(CLIENTS)
    active = [labels(point) for point in console.arrived.points("database.connections.active")]
    assert len(active) == 2


def test_a_lock_of_the_application_is_not_waited_for(server: Server) -> None:
    """Its transaction holds what planning needs: there is no plan, the reason is said, and it goes on undisturbed."""
    with Console(server.url) as console:
        console.send("psycopg", "BEGIN")
        console.send("psycopg", "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        said = console.plan("psycopg", "SELECT count(*) FROM orders")
        assert said["dbmon.query.plan.missing"] == "locked"
        assert "dbmon.query.plan" not in said
        assert console.send("psycopg", "DELETE FROM orders WHERE id = 20000") < 2
        assert console.send("psycopg", "ROLLBACK") < 2
        time.sleep(1.1)
        assert "Seq Scan on orders" in console.plan("psycopg", "SELECT count(*) FROM orders")["dbmon.query.plan"]


def test_the_pool_may_be_exhausted(server: Server) -> None:
    """Its only connection is in use all the time: a plan comes all the same, over a connection that ends soon."""
    with Console(server.url) as console:
        said = console.plan("sqlalchemy+psycopg", "SELECT max(id) FROM orders WHERE user_id = 5", of="max(id)")
        assert console.tell(exhausted="sqlalchemy+psycopg") is True
        assert "orders_user_idx" in said["dbmon.query.plan"]
        assert asked(server, OURS) == 1
        deadline = time.monotonic() + 12
        while asked(server, OURS) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert asked(server, OURS) == 0


def test_another_plan_is_a_finding(server: Server) -> None:
    """An index is dropped meanwhile: what was, what is, and what either costs."""
    server.run(
        "CREATE TABLE parcels AS SELECT * FROM orders", "CREATE INDEX parcels_idx ON parcels (user_id)", "ANALYZE"
    )
    sql = "SELECT id FROM parcels WHERE user_id = %s"
    with Console(server.url) as console:
        before = console.plan("psycopg", sql, (5,), of="parcels")
        server.run("DROP INDEX parcels_idx")
        time.sleep(1.1)
        console.send("psycopg", sql, (5,))
        (record,) = console.wait_for("parcels", kind="plan_changed")
        time.sleep(1.1)
        console.plan("psycopg", sql, (5,), of="parcels")
        assert len(console.events("parcels", kind="plan_changed")) == 1
    said = labels(record)
    change = said["dbmon.query.plan.change"]
    assert change in (
        "was Index Scan using parcels_idx on parcels, now Seq Scan on parcels",
        "was Bitmap Heap Scan on parcels, Bitmap Index Scan using parcels_idx, now Seq Scan on parcels",
        "was Bitmap Heap Scan on parcels, now Seq Scan on parcels",
    )
    assert said["dbmon.query.plan.previous"] == before["dbmon.query.plan"]
    assert said["dbmon.query.plan.cost"] > said["dbmon.query.plan.previous.cost"] == before["dbmon.query.plan.cost"]
    assert record.body.string_value == f"Query plan changed: SELECT parcels: {change}"
    (changes,) = console.arrived.points("database.plan_changes")
    assert (labels(changes)["table"], changes.as_int) == ("parcels", 1)


def test_many_slow_statements_are_one_question(server: Server) -> None:
    """500 of one pattern, literals pasted or bound: one EXPLAIN, and no value of theirs in the server's statistics."""
    server.run("SELECT pg_stat_statements_reset()")
    with Console(server.url, {"OTEL_DBMON_EXPLAIN_INTERVAL": "300000"}) as console:
        console.send("psycopg", "SELECT id FROM users WHERE email = 'canaryseen'")
        console.send("psycopg", "SELECT id FROM users WHERE email = 'canarytoo'", times=499)
        events = console.wait_for("email =", count=6)
        # On a busy machine it may have come too late for the first ones.
        assert all("Seq Scan on users" in told(event) or told(event) == "too_late" for event in events)
    assert asked(server, EXPLAINED) == 1
    ours = "SELECT count(*) FROM pg_stat_statements WHERE query ~ '^(PREPARE|EXPLAIN)' AND query ~ 'canary'"
    assert asked(server, ours) == 0


def test_a_database_that_refuses_us_is_no_trouble(server: Server) -> None:
    """The role may have one connection, and the service has it: no plan, counted, not tried again and again."""
    url = server.url.replace("dbmon@", "one@")
    with Console(url) as console:
        said = console.plan("psycopg", "SELECT count(*) FROM users")
        assert said["dbmon.query.plan.missing"] == "unreachable"
        assert console.plan("psycopg", "SELECT count(id) FROM users")["dbmon.query.plan.missing"] == "unreachable"
        refused = [row for row in server.failed() if row[0] == "53300"]
    assert len(refused) == 1
    dropped = {labels(point)["what"]: point.as_int for point in console.arrived.points("dbmon.dropped")}
    assert dropped["plans_missing"] >= 2
    assert not console.arrived.points("dbmon.failures")


def test_a_connection_that_is_lost_is_made_anew(server: Server) -> None:
    """Somebody ends it on the server: one statement goes without, the next one has its plan."""
    with Console(server.url) as console:
        console.plan("psycopg", "SELECT count(*) FROM users")
        server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'otel-dbmon ex%'"
        )
        said = console.plan("psycopg", "SELECT max(id) FROM users")
        # On a busy machine it may have ended by itself before.
        assert said.get("dbmon.query.plan.missing", "unreachable") == "unreachable"
        assert "Seq Scan" in console.plan("psycopg", "SELECT min(id) FROM users")["dbmon.query.plan"]


def test_a_database_that_does_not_answer_holds_nothing_up(server: Server) -> None:
    """The statement's thread goes on at once, its event comes after two seconds, and the process ends in its time."""
    with Proxy(urlsplit(server.url).port or 5432) as proxy:
        url = f"postgresql://dbmon@127.0.0.1:{proxy.port}/postgres"
        with Console(url) as console:
            console.send("psycopg", "SET work_mem = '8MB'")
            proxy.is_shut = True
            assert console.send("psycopg", "SELECT count(*) FROM users") < 1.5
            began = time.monotonic()
            (event,) = console.wait_for("FROM users")
            assert time.monotonic() - began < 10
            assert labels(event)["dbmon.query.plan.missing"] in ("too_late", "unreachable")
            console.send("psycopg", "SELECT max(id) FROM users")
            began = time.monotonic()
        assert time.monotonic() - began < 10
        (event,) = console.events("max(id)")
    assert labels(event)["dbmon.query.plan.missing"] in ("too_late", "unreachable")


def test_many_patterns_are_asked_about_in_turn(server: Server) -> None:
    """At most 30 a minute; of the others it is said, and they are counted."""
    server.run("SELECT pg_stat_statements_reset()")
    with Console(server.url) as console:
        for number in range(40):
            console.send("psycopg", f"SELECT id AS a{number} FROM users WHERE id = 5")
            time.sleep(0.02)
        events = [labels(event) for event in console.wait_for("AS a", count=40)]
    plans = [event for event in events if "dbmon.query.plan" in event]
    busy = [event for event in events if event.get("dbmon.query.plan.missing") == "busy"]
    late = [event for event in events if event.get("dbmon.query.plan.missing") == "too_late"]
    assert (len(plans) + len(late), len(busy)) == (30, 10)
    assert asked(server, EXPLAINED) >= len(plans)
    dropped = {labels(point)["what"]: point.as_int for point in console.arrived.points("dbmon.dropped")}
    assert dropped["explains"] == 10


@pytest.mark.parametrize(
    ("sql", "missing"),
    [
        ("CREATE TEMPORARY TABLE few AS SELECT 1 AS a", "not_plain"),
        ("SELECT id FROM users WHERE city = 1; SELECT id FROM orders LIMIT 1", "not_plain"),
        ("SELECT a FROM (SELECT 1 AS a) AS few; ", ""),
        ("SET work_mem = '8MB'", "not_plain"),
        ("SELECT id FROM basket", "refused"),
    ],
)
def test_what_can_be_explained_is(server: Server, sql: str, missing: str) -> None:
    """Single plain statements on what all connections see; of the others it is said why they have no plan."""
    with Console(server.url) as console:
        console.send("psycopg2", "CREATE TEMPORARY TABLE basket (id int)")
        console.wait_for("basket")
        said = console.plan("psycopg2", sql, of=" ")
    assert said.get("dbmon.query.plan.missing", "") == missing


def test_a_statement_that_was_cut_off_is_not_asked_for(server: Server) -> None:
    """Where attributes are limited, what is known of a long statement may be another statement."""
    server.run("SELECT pg_stat_statements_reset()")
    with Console(server.url, {"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "24"}) as console:
        said = console.plan("psycopg", "SELECT id FROM users    WHERE id = 5", of="users")
    assert said["dbmon.query.plan.missing"] == "not_plain"
    assert asked(server, EXPLAINED) == 0


def test_without_the_text_of_statements_conditions_stay_here_too(server: Server) -> None:
    """They are parts of it: ``OTEL_DBMON_QUERY_TEXT=false`` leaves the steps."""
    with Console(server.url, {"OTEL_DBMON_QUERY_TEXT": "false"}) as console:
        plan = console.plan("psycopg", "SELECT id FROM users WHERE city = 3 ORDER BY email", of="")["dbmon.query.plan"]
    assert [line.strip().partition("  ")[0] for line in plan.splitlines()] == ["Sort", "Seq Scan on users"]


def test_children_ask_for_themselves(server: Server) -> None:
    """After a fork the child has a connection of its own, and the parent's still works."""
    with Console(server.url) as console:
        console.plan("psycopg", "SELECT count(*) FROM users")
        command = {"client": "psycopg", "sql": "SELECT avg(id) FROM users"}
        assert console.tell(forked=command) == "0"
        assert any("Seq Scan on users" in told(event) for event in console.wait_for("avg(id)", count=2))
        assert "Seq Scan on users" in console.plan("psycopg", "SELECT max(id) FROM users")["dbmon.query.plan"]
    assert "Traceback" not in console.errors


@pytest.mark.parametrize("client", ["psycopg", "asyncpg", "asyncpg alone"])
def test_asynchronous_drivers_are_asked_about_too(server: Server, client: str) -> None:
    """Through the same driver; the application's event loop has no part in it."""
    with Console(server.url) as console:
        assert console.tell(asynchronous=client, sql="SELECT count(*) FROM users WHERE city = 3") is None
        events = console.wait_for("city =", count=2)
    assert any("Seq Scan on users" in told(event) for event in events), list(map(told, events))
    texts = [labels(span)["db.query.text"] for span in console.arrived.statements()]
    assert not [text for text in texts if text.startswith(("EXPLAIN", "PREPARE"))]


def test_nobody_is_asked_by_default(server: Server) -> None:
    """Nothing is imported, no thread runs, no connection is opened, and events say nothing of plans."""
    server.run("SELECT pg_stat_statements_reset()")
    with Console(server.url, {"OTEL_DBMON_EXPLAIN": "off"}) as console:
        said = console.plan("psycopg", "SELECT count(*) FROM users")
        assert console.tell(modules="otel_dbmon.explain") == []
        assert "otel-dbmon-explain" not in console.tell(threads=True)
        assert asked(server, OURS) == 0
    assert not [name for name in said if "plan" in name]
    assert asked(server, EXPLAINED) == 0


def test_a_process_that_ends_waits_for_no_plan(server: Server) -> None:
    """What is found last is told, with its plan or without, and the end takes no longer."""
    with Console(server.url) as console:
        console.send("psycopg", "SELECT 1")
        # The role's lock keeps the planner busy for a moment.
        with psycopg.connect(server.url) as other:
            other.execute("LOCK TABLE pg_class IN ACCESS EXCLUSIVE MODE")
            began = time.monotonic()
            console.process.stdin.close()  # type: ignore[union-attr]
            console.process.wait(timeout=20)
            took = time.monotonic() - began
    assert took < 10
    assert [labels(event) for event in console.events("SELECT ?")]
