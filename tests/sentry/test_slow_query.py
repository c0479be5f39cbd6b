"""The specified event, from a real slow join on PostgreSQL to a real receiver, judged by what Sentry's server does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from launching import Launched, labels, run
from receiver import Spotlight

APP = str(Path(__file__).parent / "apps" / "slow_join.py")
THRESHOLD_MS = 150


def launched(spotlight: Spotlight, database: str, init: str, **environment: str) -> Launched:
    """One run; ``init`` says when the application initialises Sentry: before us, after us or never."""
    place = {"SENTRY_DSN": spotlight.dsn} if init == "never" else {"DSN": spotlight.dsn}
    settings = {"OTEL_DBMON_SLOW_QUERY_THRESHOLD": str(THRESHOLD_MS), "DATABASE_URL": database, "INIT": init}
    return run(APP, {**settings, **place, **environment}, launcher=init != "before")


@pytest.mark.parametrize("init", ["never", "after", "before"])
def test_a_slow_join_becomes_the_specified_event(spotlight: Spotlight, database: str, judge: Any, init: str) -> None:
    """Field for field, with the ids of the span that was exported, whenever Sentry is initialised."""
    arrived = launched(spotlight, database, init).arrived
    (span,) = [span for span in arrived.statements() if "JOIN" in labels(span)["db.query.text"]]
    events = [event for event in spotlight.events() if event.get("tags", {}).get("query_type") == "join"]
    assert len(events) == 1
    (event,) = events
    duration_ms = event["contexts"]["database"]["duration_ms"]
    assert duration_ms >= THRESHOLD_MS
    assert duration_ms == round((span.end_time_unix_nano - span.start_time_unix_nano) / 1e6)
    assert event["message"] == f"Slow query detected: SELECT ({duration_ms}ms)"
    assert event["level"] == "warning"
    assert event["logger"] == "otel_dbmon"
    assert event["tags"] == {"service": "user-svc", "query_type": "join", "complexity": "medium"}
    assert event["fingerprint"] == ["otel-dbmon", "slow_query", labels(span)["dbmon.query.fingerprint"]]
    assert event["contexts"]["database"] == {
        "query": "SELECT count(*) FROM users JOIN profiles ON users.id <> profiles.id WHERE users.id < %(limit)s",
        "duration_ms": duration_ms,
        "connection_pool_usage": "50%",
        "analysis": "Complex JOIN operation detected",
    }
    assert event["contexts"]["trace"] == {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex(),
        "op": "db",
    }
    assert event["contexts"]["finding"]["function"].endswith(".report")

    stored = judge(event)
    assert "errors" not in stored
    assert "_meta" not in stored
    assert stored["contexts"]["database"] == {**event["contexts"]["database"], "type": "database"}
    assert dict(stored["tags"]).items() >= event["tags"].items()
    assert stored["logentry"]["formatted"] == event["message"]
    assert stored["contexts"]["trace"]["trace_id"] == span.trace_id.hex()


def test_a_switch_turns_everything_of_it_off(spotlight: Spotlight, database: str) -> None:
    """With ``OTEL_DBMON_SENTRY=off`` nobody initialises Sentry, and nothing arrives."""
    arrived = launched(spotlight, database, "never", OTEL_DBMON_SENTRY="off").arrived
    assert [span for span in arrived.statements() if labels(span).get("dbmon.slow")]
    assert spotlight.envelopes() == []


def test_no_findings_are_sent_where_none_are_wanted(spotlight: Spotlight, database: str) -> None:
    """The rest of the bridge stays."""
    launched(spotlight, database, "never", OTEL_DBMON_SENTRY_EVENTS_PER_MINUTE="0")
    assert spotlight.events() == []
