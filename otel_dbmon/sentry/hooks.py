"""Puts our hooks behind those of the user into a client's options: the last that see what is about to leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otel_dbmon.sentry.scrub import Scrubber, blank
from otel_dbmon.sentry.story import Stories
from otel_dbmon_processors.guard import Guard

Hook = Callable[[Any, Any], Any]


def protect(options: dict[str, Any], scrubber: Scrubber, stories: Stories, guard: Guard, own: str) -> None:
    """Compose every hook through which a text can leave with the one that takes the values out.

    The user's own runs first, and whatever it does holds: what it drops is dropped, and where it raises Sentry does
    what it does without us. Where ours fails, the text goes and the bare event stays. Breadcrumbs need no hook of their
    own: they leave inside of events only, and one for each statement would be paid for by each statement.

    Args:
        options: The client's options, which it reads at each event.
        scrubber: Takes values out.
        stories: Adds the database's side to errors.
        guard: Counts our failures.
        own: The key in the hint of events that we made ourselves.
    """

    def event(found: Any, hint: Any) -> Any:
        if own in hint:
            return scrubber.own_event(found)
        scrubbed = scrubber.event(found, hint)
        # What has a type is no error and no message: a check-in, somebody's feedback.
        if not scrubbed.get("type"):
            stories.add(scrubbed, hint)
        return scrubbed

    def log(found: Any, _: Any) -> Any:
        scrubbed = scrubber.log(found)
        stories.link(scrubbed)
        return scrubbed

    experiments = options.get("_experiments") or {}
    for name, ours, emptied in (
        ("before_send", event, blank),
        ("before_send_transaction", lambda found, _: scrubber.transaction(found), blank),
        ("before_send_log", log, _dropped),
        ("before_send_metric", lambda found, _: scrubber.metric(found), _dropped),
    ):
        users = options.get(name) or experiments.get(name)
        options[name] = _composed(users, _closed(ours, emptied, guard))
    users = options.get("before_send_span") or experiments.get("before_send_span")
    options["before_send_span"] = _composed_span(
        users, _closed(lambda found, _: scrubber.span(found), _nameless, guard)
    )


def _closed(ours: Hook, emptied: Callable[[Any], Any], guard: Guard) -> Hook:
    """Our hook, made to fail closed: what it could not look at leaves without its text, or not at all."""

    def call(found: Any, hint: Any) -> Any:
        try:
            return ours(found, hint)
        except Exception as error:  # noqa: BLE001 - nothing of ours may reach the service
            guard.failed("sentry", error)
        try:
            return emptied(found)
        except Exception:  # noqa: BLE001 - nothing is left to keep
            return None

    return call


def _composed(users: Hook | None, ours: Hook) -> Hook:
    if users is None:
        return ours

    def call(found: Any, hint: Any) -> Any:
        kept = users(found, hint)
        return None if kept is None else ours(kept, hint)

    return call


def _composed_span(users: Hook | None, ours: Hook) -> Hook:
    """Spans are sent whatever the user's hook does, as they were where it fails; so Sentry must not see it fail."""
    if users is None:
        return ours

    def call(found: Any, hint: Any) -> Any:
        kept: Any = None
        try:
            kept = users(dict(found), hint)
        except Exception:  # noqa: BLE001 - Sentry would send the span as it was
            kept = None
        return ours(kept if isinstance(kept, dict) and "name" in kept else found, hint)

    return call


def _dropped(_: Any) -> None:
    return None


def _nameless(span: Any) -> dict[str, Any]:
    return {**span, "name": "?", "attributes": {}}
