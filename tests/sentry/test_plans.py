"""Plans of slow statements in Sentry's events, on a real PostgreSQL, judged by what Sentry's server keeps of them."""

from __future__ import annotations

import time
from typing import Any

import psycopg
import pytest
from explaining import Console
from receiver import Spotlight

TABLES = """
DROP TABLE IF EXISTS posts;
CREATE TABLE posts AS SELECT id, id % 500 AS author, 'canaryposted' AS state FROM generate_series(1, 20000) AS id;
CREATE INDEX posts_author_idx ON posts (author);
ANALYZE posts;
"""
SETTINGS = {"OTEL_DBMON_SENTRY_INTERVAL": "1000", "OTEL_LOGS_EXPORTER": "none"}


@pytest.fixture
def posts(database: str) -> str:
    """The URL of a database with posts in it."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
    return database


def planned(console: Console, spotlight: Spotlight, client: str, sql: str, params: Any = None) -> Any:
    """The event about a slow statement; again, where a busy machine left no time for its plan."""
    for _ in range(6):
        spotlight.clear()
        console.send(client, sql, params)
        (event,) = about_posts(spotlight, "slow_query")
        if "plan" in event["contexts"]["database"]:
            break
        time.sleep(1.1)
    return event


def about_posts(spotlight: Spotlight, kind: str, within_s: float = 40) -> list[Any]:
    """The events of a kind about posts, once there is one."""
    deadline = time.monotonic() + within_s
    while True:
        events = [event for event in spotlight.events() if event.get("fingerprint", ["", ""])[1] == kind]
        found = [event for event in events if "posts" in event["contexts"]["database"]["query"]]
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def test_the_event_holds_the_plan(spotlight: Spotlight, posts: str, judge: Any) -> None:
    """With the statement's values gone, and Sentry's server keeps all of it."""
    sql = "SELECT id FROM posts WHERE author = %s AND state <> 'canarypasted' AND state <> %s"
    with Console(posts, {**SETTINGS, "SENTRY_DSN": spotlight.dsn}) as console:
        event = planned(console, spotlight, "psycopg", sql, (5, "canarybound"))
    plan = event["contexts"]["database"]["plan"]
    assert "posts_author_idx" in plan
    assert "Index Cond: (author = $1)" in plan
    assert event["contexts"]["finding"]["plan_cost"] > 0
    assert event["fingerprint"][:2] == ["otel-dbmon", "slow_query"]
    stored = judge(event)
    assert "errors" not in stored
    assert "_meta" not in stored
    assert stored["contexts"]["database"]["plan"] == plan
    assert not [envelope for envelope in spotlight.envelopes() if b"canary" in envelope.raw]


def test_a_plan_that_changed_is_an_event_of_its_own(spotlight: Spotlight, posts: str, judge: Any) -> None:
    """Grouped by itself, with both plans and what is another one."""
    sql = "SELECT max(state) FROM posts WHERE author = %s"
    with Console(posts, {**SETTINGS, "SENTRY_DSN": spotlight.dsn}) as console:
        before = planned(console, spotlight, "psycopg2", sql, (5,))
        with psycopg.connect(posts, autocommit=True) as connection:
            connection.execute("DROP INDEX posts_author_idx")
        time.sleep(1.1)
        console.send("psycopg2", sql, (6,))
        (event,) = about_posts(spotlight, "plan_changed")
    database, finding = event["contexts"]["database"], event["contexts"]["finding"]
    assert event["message"] == "Query plan changed: SELECT posts"
    assert event["fingerprint"][1:] == ["plan_changed", before["fingerprint"][2]]
    assert database["analysis"].endswith("now Seq Scan on posts")
    assert "Seq Scan on posts" in database["plan"]
    assert finding["previous_plan"] == before["contexts"]["database"]["plan"]
    assert finding["plan_cost"] > finding["previous_plan_cost"]
    assert event["contexts"]["trace"]["op"] == "db"
    stored = judge(event)
    assert "_meta" not in stored
    assert stored["contexts"]["finding"]["previous_plan"] == finding["previous_plan"]


def test_the_longest_plan_is_kept(spotlight: Spotlight, posts: str, judge: Any) -> None:
    """Beside the longest statement that leaves: neither is cut by Sentry's server."""
    unions = " UNION ALL ".join(f"SELECT id, state FROM posts AS posts_{n} WHERE author = {n}" for n in range(150))
    with Console(posts, {**SETTINGS, "SENTRY_DSN": spotlight.dsn}) as console:
        event = planned(console, spotlight, "psycopg", unions)
    plan = event["contexts"]["database"]["plan"]
    assert 3000 < len(plan) <= 4000
    assert plan.endswith("\n...")
    stored = judge(event)
    assert stored["contexts"]["database"]["plan"] == plan
    assert stored["contexts"]["database"]["query"] == event["contexts"]["database"]["query"]
