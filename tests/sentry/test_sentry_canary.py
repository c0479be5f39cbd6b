"""No value a person typed leaves in any envelope, whatever is switched on; without us it leaves by every path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from launching import Launched, run
from receiver import Envelope, Spotlight

APP = str(Path(__file__).parent / "apps" / "canary.py")
CANARY, NAME = "canary4711", "zebulon"

EVERYTHING = {"attach_stacktrace": True, "traces_sample_rate": 1.0, "enable_logs": True}
#: When the application initialises Sentry, and with which options.
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "never, by SENTRY_DSN": ("never", {}),
    "before us, nothing set": ("before", {}),
    "after us, PII on": ("after", {**EVERYTHING, "send_default_pii": True}),
    "after us, PII off": ("after", {**EVERYTHING, "send_default_pii": False}),
    "after us, spans as a stream": ("after", {**EVERYTHING, "trace_lifecycle": "stream"}),
}
#: Where a value can be: the type of an item, and the beginning of a way into it. docs/sentry.md explains them.
PATHS = (
    ("event", "exception", "values", "value"),
    ("event", "exception", "values", "stacktrace", "frames", "vars"),
    ("event", "exception", "values", "stacktrace", "frames", "vars", "form", "nested"),
    ("event", "threads", "values", "stacktrace", "frames", "vars"),
    ("event", "breadcrumbs", "values", "message"),
    ("event", "breadcrumbs", "values", "data"),
    ("event", "logentry", "message"),
    ("event", "logentry", "formatted"),
    ("event", "logentry", "params"),
    ("event", "message"),
    ("event", "extra", "statement"),
    ("event", "extra", "parameters"),
    ("event", "contexts", "order"),
    ("event", "tags", "statement"),
    ("transaction", "spans", "description"),
    ("transaction", "spans", "data"),
    ("transaction", "contexts", "trace", "data"),
    ("log", "items", "body"),
    ("log", "items", "attributes"),
    ("trace_metric", "items", "attributes"),
)


def report(spotlight: Spotlight, database: str, init: str, options: dict[str, Any], **environment: str) -> Launched:
    """One run of the application, which reports whatever it can."""
    place = {"SENTRY_DSN" if init == "never" else "DSN": spotlight.dsn}
    values = {"DATABASE_URL": database, "CANARY": CANARY, "NAME": NAME, "INIT": init, "OPTIONS": json.dumps(options)}
    return run(APP, {**values, **place, **environment}, launcher=init != "before")


@pytest.mark.parametrize("name", RUNS)
def test_no_envelope_holds_the_value(spotlight: Spotlight, database: str, judge: Any, name: str) -> None:
    """Not one byte of it in anything that was sent; the events are there, and valid."""
    launched = report(spotlight, database, *RUNS[name])
    envelopes = spotlight.envelopes()
    held = [sorted(set(ways(envelope))) for envelope in envelopes if holds_value(envelope)]
    assert held == []
    events = spotlight.events()
    assert len(events) > 30
    assert launched.process.returncode == 1, "the last error is nobody's"
    database_errors = [event for event in events if "database" in event["contexts"]]
    assert len(database_errors) > 30
    assert {event["contexts"]["database"].get("sqlstate") for event in database_errors} >= {"23505", "22P02", "P0001"}
    for event in events:
        stored = judge(event)
        assert [each for each in stored.get("errors", ()) if each["name"] != "sdk"] == []


def test_without_us_it_is_by_every_path(spotlight: Spotlight, database: str) -> None:
    """So that the test above can fail: the same application, with the bridge switched off."""
    report(spotlight, database, "after", EVERYTHING, OTEL_DBMON_SENTRY="off")
    found = {way for envelope in spotlight.envelopes() for way in ways(envelope)}
    assert [path for path in PATHS if not any(way[: len(path)] == path for way in found)] == []


def holds_value(envelope: Envelope) -> bool:
    """Whether one of the values is anywhere in its bytes."""
    return CANARY.encode() in envelope.raw or NAME.encode() in envelope.raw


def ways(envelope: Envelope) -> Iterator[tuple[str, ...]]:
    """All ways into an envelope that end at one of the values."""
    for header, payload in [({"type": "header"}, envelope.header), *envelope.items]:
        for way in _ways(payload):
            yield (header["type"], *way)


def _ways(part: Any) -> Iterator[tuple[str, ...]]:
    if isinstance(part, dict):
        for key, each in part.items():
            if CANARY in key or NAME in key:
                yield ("a key",)
            yield from ((key, *way) for way in _ways(each))
    elif isinstance(part, list):
        for each in part:
            yield from _ways(each)
    elif isinstance(part, str) and (CANARY in part or NAME in part):
        yield ()
