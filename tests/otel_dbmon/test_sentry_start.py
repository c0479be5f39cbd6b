"""What is loaded, and when: nothing of Sentry where nobody wants it, and a client wherever somebody does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from launching import run

from otel_dbmon import settings
from otel_dbmon.sentry.start import options


def modules(**environment: str) -> dict[str, Any]:
    """What a script that knows nothing of Sentry finds loaded under the launcher."""
    launched = run("sentry_modules.py", {"OTEL_DBMON_PROMETHEUS": "off", **environment})
    with_errors: dict[str, Any] = json.loads(launched.errors.strip().splitlines()[-1])
    return with_errors


def test_without_a_dsn_sentry_is_never_imported() -> None:
    """Nor is anything of ours that is about it, but what waits for it."""
    found = modules()
    assert found["sentry_sdk"] is False
    assert set(found["ours"]) <= {"otel_dbmon.sentry", "otel_dbmon.sentry.start"}
    assert found["tells_stories"] is False


def test_a_dsn_alone_is_enough() -> None:
    """Sentry is initialised, and its events belong to the active span."""
    found = modules(SENTRY_DSN="http://key@127.0.0.1:1/1")
    assert found["sentry_sdk"] is True
    assert found["tells_stories"] is True
    assert found["active"] is True


def test_switched_off_it_is_not_even_waited_for() -> None:
    """With a DSN as well."""
    found = modules(SENTRY_DSN="http://key@127.0.0.1:1/1", OTEL_DBMON_SENTRY="off")
    assert found["sentry_sdk"] is False
    assert found["tells_stories"] is False


@pytest.mark.parametrize(
    ("environment", "name", "value"),
    [
        ({}, "profile_session_sample_rate", None),
        ({"OTEL_DBMON_SENTRY_PROFILE_SESSION_SAMPLE_RATE": "0.25"}, "profile_session_sample_rate", 0.25),
        ({"OTEL_DBMON_SENTRY_PROFILE_LIFECYCLE": "trace"}, "profile_lifecycle", "trace"),
        ({"OTEL_DBMON_SENTRY_PROFILES_SAMPLE_RATE": "1"}, "profiles_sample_rate", 1.0),
        ({"OTEL_DBMON_SENTRY_TRACES_SAMPLE_RATE": "0.5"}, "traces_sample_rate", 0.5),
        ({"OTEL_DBMON_SENTRY_VARIABLES": "true"}, "include_local_variables", True),
        ({}, "include_local_variables", False),
        ({"OTEL_DBMON_SHUTDOWN_TIMEOUT": "500"}, "shutdown_timeout", 0.5),
    ],
)
def test_options_come_from_the_environment(environment: dict[str, str], name: str, value: object) -> None:
    """Those that Sentry itself has no variable for."""
    assert options(settings.load(environment))[name] == value


def test_the_profiler_runs_where_it_is_wanted() -> None:
    """Of the whole process, from the start."""
    found = modules(SENTRY_DSN="http://key@127.0.0.1:1/1", OTEL_DBMON_SENTRY_PROFILE_SESSION_SAMPLE_RATE="1")
    assert found["profiler"] is True
