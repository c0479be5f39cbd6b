"""A real client of Sentry's with hooks of the user's own: they run first, what they do holds, and ours fails closed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from otel_dbmon.pools import Pools
from otel_dbmon.sentry.event import Events
from otel_dbmon.sentry.hooks import protect
from otel_dbmon.sentry.scrub import Scrubber
from otel_dbmon.sentry.story import Stories
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.requests import Requests

CANARY = "canary4711"


class Kept(Transport):
    """Keeps what would be sent."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.envelopes: list[Envelope] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.envelopes.append(envelope)

    def items(self, kind: str) -> list[Any]:
        """The payloads of all items of a type."""
        return [item.payload.json for envelope in self.envelopes for item in envelope.items if item.type == kind]


class Broken(Scrubber):
    """Fails at everything."""

    def _fail(self, *_: Any) -> Any:
        raise RuntimeError(CANARY)

    event = transaction = log = metric = span = own_event = _fail


class Sentry:
    """One client with our hooks behind the user's."""

    def __init__(self, broken: bool = False, **options: Any) -> None:
        self.kept = Kept()
        self.guard = Guard()
        self.client = sentry_sdk.Client(
            dsn="http://key@127.0.0.1:1/1",
            transport=self.kept,
            default_integrations=False,
            auto_enabling_integrations=False,
            **options,
        )
        kind = Broken if broken else Scrubber
        scrubber = kind(lambda text: text, lambda text, _: text.replace(CANARY, "?"))
        stories = Stories(Requests(self.guard), Events(Pools(Config(), self.guard), True))
        protect(self.client.options, scrubber, stories, self.guard, "own")
        self.scope = sentry_sdk.Scope(client=self.client)

    def event(self, event: dict[str, Any] | None = None, hint: Any = None) -> Any:
        """What leaves for one event, None if nothing does."""
        self.client.capture_event(event or {"message": f"no {CANARY}", "extra": {"a": CANARY}}, hint, self.scope)
        return (self.kept.items("event") or [None])[-1]


@pytest.fixture(autouse=True)
def _apart() -> Iterator[None]:
    with sentry_sdk.isolation_scope():
        yield


def test_the_users_hook_runs_first_and_what_it_does_holds() -> None:
    """It sees the event as it is, its changes leave, and the values that it leaves in are taken out."""
    seen: list[Any] = []

    def before_send(event: Any, hint: Any) -> Any:
        seen.append((event["message"], hint["key"]))
        return {**event, "tags": {"mine": "yes"}, "extra": {"mine": "seen", "theirs": CANARY}}

    event = Sentry(before_send=before_send).event(hint={"key": "value"})
    assert seen == [(f"no {CANARY}", "value")]
    assert event["message"] == "no ?"
    assert event["tags"] == {"mine": "yes"}
    assert event["extra"] == {"mine": "seen", "theirs": "?"}


def test_what_the_user_drops_is_dropped() -> None:
    """Events, transactions, logs and metrics."""
    hooks = ("before_send", "before_send_transaction", "before_send_log", "before_send_metric")
    sentry = Sentry(enable_logs=True, **dict.fromkeys(hooks, lambda *_: None))
    assert sentry.event() is None
    assert sentry.event({"type": "transaction", "transaction": "a", "spans": []}) is None
    for name in ("before_send_log", "before_send_metric"):
        assert sentry.client.options[name]({"body": "a", "attributes": {}}, {}) is None


def test_where_the_users_hook_raises_nothing_leaves() -> None:
    """As it is without us: Sentry drops the event, and the application goes on."""

    def before_send(_: Any, __: Any) -> Any:
        raise KeyError

    sentry = Sentry(before_send=before_send)
    assert sentry.event() is None
    assert sentry.guard.failures == {}


def test_hooks_given_as_experiments_run_too() -> None:
    """That is where some of them come from."""
    seen: list[str] = []

    def before_send_log(log: Any, _: Any) -> Any:
        seen.append(log["body"])
        return log

    sentry = Sentry(_experiments={"before_send_log": before_send_log})
    log = {"body": f"no {CANARY}", "attributes": {"a": CANARY, "logger.name": "a"}}
    assert sentry.client.options["before_send_log"](log, {}) == {
        "body": "no ?",
        "attributes": {"a": "?", "logger.name": "a"},
    }
    assert seen == [f"no {CANARY}"]


@pytest.mark.parametrize("returned", [None, "no span", {"without": "name"}, KeyError])
def test_a_span_whose_hook_goes_wrong_is_still_cleaned(returned: Any) -> None:
    """Sentry sends such a span as it was."""

    def before_send_span(_: Any, __: Any) -> Any:
        if returned is KeyError:
            raise KeyError
        return returned

    sentry = Sentry(trace_lifecycle="stream", before_send_span=before_send_span)
    span = {"name": f"GET /people/{CANARY}", "attributes": {"sentry.op": "http.server", "email": CANARY}}
    cleaned = sentry.client.options["before_send_span"](span, {})
    assert CANARY not in str(cleaned)
    assert cleaned["attributes"]["sentry.op"] == "http.server"


def test_where_ours_fails_the_bare_event_leaves() -> None:
    """Times, ids, classes and the trace: nothing that holds a text."""
    sentry = Sentry(broken=True)
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        found, hint = sentry_sdk.utils.event_from_exception(error, client_options=sentry.client.options)
    event = sentry.event({**found, "message": CANARY, "tags": {"a": CANARY}}, hint)
    assert CANARY not in str(event)
    assert event["exception"]["values"] == [{"type": "ValueError", "module": None}]
    assert set(event["contexts"]) == {"trace"}
    assert sentry.guard.failures["sentry"] == 1


def test_where_ours_fails_logs_and_metrics_stay() -> None:
    """They are nothing but text."""
    sentry = Sentry(broken=True)
    for name in ("before_send_log", "before_send_metric"):
        assert sentry.client.options[name]({"body": CANARY, "attributes": {}}, {}) is None
    span = sentry.client.options["before_send_span"]({"name": CANARY, "attributes": {"a": CANARY}}, {})
    assert span == {"name": "?", "attributes": {}}


def test_a_broken_event_does_not_leave() -> None:
    """Not even the bare one can be made of it."""
    sentry = Sentry(broken=True)
    assert sentry.client.options["before_send"]({"exception": {"values": [CANARY]}}, {}) is None


def test_variables_stay_where_they_are_wanted_and_no_database_is_about() -> None:
    """A setting of its own, which a database's error overrules."""
    scrubber = Scrubber(lambda text: text, lambda text, _: text, keep_variables=True)
    frames = {"stacktrace": {"frames": [{"function": "f", "vars": {"name": f"'{CANARY}'"}}]}}

    def variables(module: str, kind: str) -> Any:
        event = {"exception": {"values": [{"module": module, "type": kind, "value": "no", **frames}]}}
        return scrubber.event(event, {})["exception"]["values"][0]["stacktrace"]["frames"][0]["vars"]

    assert variables("shop", "NoSuchOrder") == {"name": f"'{CANARY}'"}
    assert variables("psycopg.errors", "UniqueViolation") == {"name": "?"}
