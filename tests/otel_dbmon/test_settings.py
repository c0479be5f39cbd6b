"""Settings: what a person writes is what is used, and what can't be used is said once."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from otel_dbmon import settings
from otel_dbmon_processors.config import Config
from otel_dbmon_semconv.forms import expected, parse, spell
from otel_dbmon_semconv.settings import SETTINGS, config_arguments

_CASES = yaml.safe_load((Path(__file__).parent / "settings_cases.yaml").read_text())
_BY_NAME = {setting.name: setting for setting in SETTINGS}


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing said and nothing overridden yet, as in a process that just started."""
    monkeypatch.setattr(settings, "_said", {})
    monkeypatch.setattr(settings, "_overrides", {})


@pytest.mark.parametrize("case", _CASES, ids=lambda case: f"{case['variable']}={case['text']!r}")
def test_environment(case: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """Each line of ``settings_cases.yaml``: the value is used, or the default with a warning that names all three."""
    setting = _BY_NAME[case["variable"]]
    value = getattr(settings.load({case["variable"]: case["text"]}), setting.attribute)
    if "value" in case:
        wanted = case["value"]
        assert value == (tuple(wanted) if isinstance(wanted, list) else wanted)
        assert type(value) is type(setting.default)
        assert caplog.messages == []
    else:
        assert value == setting.default
        assert caplog.messages == [
            f"{setting.name}={case['text']!r} is not {expected(setting)}; using {spell(setting.default)}"
        ]


def test_warning_reads_like_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    """The warning tells variable, value, what would be allowed and what is used, under the product's logger."""
    settings.load({"OTEL_DBMON_SLOW_QUERY_THRESHOLD": "fast"})
    assert caplog.record_tuples == [
        (
            "otel_dbmon",
            logging.WARNING,
            "OTEL_DBMON_SLOW_QUERY_THRESHOLD='fast' is not a number of milliseconds from 0 to 86400000; using 1000",
        )
    ]


def test_a_wrong_value_is_said_once_in_a_process(caplog: pytest.LogCaptureFixture) -> None:
    """Loading again, in several threads at once, adds no warning; another wrong variable has its own."""
    environment = {"OTEL_DBMON_MAX_SERIES": "many", "OTEL_DBMON_ENABLED": "perhaps"}
    threads = [threading.Thread(target=lambda: [settings.load(environment) for _ in range(20)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(message.partition("=")[0] for message in caplog.messages) == sorted(environment)


def test_a_long_or_forged_value_fits_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """A value with line feeds or without end neither forges nor floods the log."""
    settings.load({"OTEL_DBMON_MAX_SERIES": "9\nERROR forged\udcff" + "x" * 10_000})
    (message,) = caplog.messages
    assert message.isprintable()
    assert len(message) < 250


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("OTEL_DBMON_SLOW_QUERY_TRESHOLD", ", did you mean OTEL_DBMON_SLOW_QUERY_THRESHOLD?; it is not used"),
        ("OTEL_DBMON_POOL", ", did you mean OTEL_DBMON_POOLS?; it is not used"),
        ("OTEL_DBMON_" + "Z" * 100_000, "; it is not used"),
    ],
)
def test_a_mistyped_variable_is_named(caplog: pytest.LogCaptureFixture, name: str, hint: str) -> None:
    """A variable that looks like ours and is none is warned of once, with the nearest one there is."""
    for _ in range(2):
        settings.load({name: "1"})
    (message,) = caplog.messages
    assert message.startswith(f"'{name[:60]}")
    assert message.endswith(f"is not a setting of otel-dbmon{hint}")


def test_other_peoples_variables_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Variables outside our prefix are nobody's business here."""
    settings.load({"OTEL_SERVICE_NAME": "user-svc", "OTEL_DBMONITOR": "1", "PATH": ""})
    assert caplog.messages == []


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument the process's own environment is read."""
    monkeypatch.setenv("OTEL_DBMON_MAX_SERIES", "7")
    assert settings.load().max_series == 7


def test_defaults_of_the_registry_are_those_of_the_pipeline() -> None:
    """Settings without any variable give the same Config as no settings at all."""
    assert settings.load({}).config() == Config()


def test_every_field_of_the_pipeline_is_fed() -> None:
    """No field of Config is out of a person's reach, and the registry names no field that isn't there."""
    assert set(config_arguments(settings.load({}))) == set(signature(Config).parameters)


def test_values_reach_the_pipeline_in_its_own_units() -> None:
    """Milliseconds become nanoseconds, families become switches, lists become tuples."""
    config = settings.load(
        {
            "OTEL_DBMON_SLOW_QUERY_THRESHOLD": "0.1",
            "OTEL_DBMON_METRIC_FAMILIES": "client",
            "OTEL_DBMON_DURATION_BUCKETS": "1,2",
        }
    ).config()
    assert config.slow_query_threshold_ns == 100_000
    assert (config.database_metrics, config.client_metrics) == (False, True)
    assert config.duration_buckets == (1.0, 2.0)


def test_an_argument_wins_over_the_environment() -> None:
    """Arguments of any natural type win; None is as good as absent."""
    found = settings.load(
        {"OTEL_DBMON_MAX_SERIES": "7", "OTEL_DBMON_TOP_QUERIES": "8"},
        {"max_series": 9, "top_queries": None, "metric_families": ["client"], "query_text": "no"},
    )
    assert (found.max_series, found.top_queries) == (9, 8)
    assert found.metric_families == ("client",)
    assert found.query_text is False


def test_overrides_hold_for_later_loads() -> None:
    """``override()`` holds until the next one; arguments of ``load()`` win over it."""
    settings.override({"max_series": 9, "slow_query_threshold": 250})
    assert settings.load({}).max_series == 9
    assert settings.load({}, {"max_series": 10}).max_series == 10
    settings.override({"top_queries": 3})
    assert (settings.load({}).max_series, settings.load({}).top_queries) == (2000, 3)


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ({"slow_query_threshold": "fast"}, "slow_query_threshold='fast' is not a number of milliseconds from 0 to"),
        ({"slow_query_threshold": True}, "slow_query_threshold=True is not a number of milliseconds"),
        ({"max_series": 12.5}, "max_series=12.5 is not an integer from 1 to 100000"),
        ({"metric_families": 5}, "metric_families=5 is not a list of database, client, or none"),
        ({"metric_families": [None]}, "metric_families=.* is not a list of database, client, or none"),
        ({"enabled": 1.5}, "enabled=1.5 is not true or false"),
        ({"prometheus_host": 4}, "prometheus_host=4 is not a text"),
        ({"duration_buckets": []}, "duration_buckets=.* is not a strictly increasing list"),
        ({"duration_buckets": range(1, 300)}, "duration_buckets=.* is not a strictly increasing list of at most 200"),
        ({"slow_query_treshold": 1}, "'slow_query_treshold' is not a setting of otel-dbmon, did you mean slow_query_"),
        ({"OTEL_DBMON_ENABLED": "1"}, "'OTEL_DBMON_ENABLED' is not a setting of otel-dbmon"),
    ],
)
def test_a_wrong_argument_raises(overrides: dict[str, Any], problem: str) -> None:
    """A programmer's slip is told at once, by both ways in, and changes nothing."""
    with pytest.raises(ValueError, match=problem):
        settings.load({}, overrides)
    with pytest.raises(ValueError, match=problem):
        settings.override({"max_series": 5, **overrides})
    assert settings.load({}).max_series == 2000


def test_entries_tell_value_default_and_source() -> None:
    """Every setting is listed in the registry's order with the place its value came from."""
    found = settings.load(
        {"OTEL_DBMON_MAX_SERIES": "7", "OTEL_DBMON_CACHE_SIZE": "abc", "OTEL_DBMON_METRIC_FAMILIES": "none"},
        {"slow_query_threshold": 0.5},
    )
    entries = {entry.name: entry for entry in found.entries()}
    assert list(entries) == [setting.name for setting in SETTINGS]
    assert entries["OTEL_DBMON_MAX_SERIES"]._asdict() == {
        "name": "OTEL_DBMON_MAX_SERIES",
        "value": "7",
        "default": "2000",
        "source": "environment",
    }
    assert entries["OTEL_DBMON_METRIC_FAMILIES"].value == "none"
    assert entries["OTEL_DBMON_ENABLED"] == ("OTEL_DBMON_ENABLED", "true", "true", "default")
    assert entries["OTEL_DBMON_SLOW_QUERY_THRESHOLD"][1:] == ("0.5", "1000", "argument")
    assert entries["OTEL_DBMON_CACHE_SIZE"].value == "1000"
    assert entries["OTEL_DBMON_CACHE_SIZE"].source == (
        "default (the environment's value 'abc' is not an integer from 1 to 1000000)"
    )


def test_settings_are_read_only() -> None:
    """Nobody changes a setting under those who read it."""
    with pytest.raises(AttributeError, match="read-only"):
        settings.load({}).enabled = False


@given(environment=st.dictionaries(st.sampled_from(sorted(_BY_NAME)), st.text(max_size=30)))
def test_no_environment_ever_raises(environment: dict[str, str]) -> None:
    """Whatever the environment holds, each value is one that the registry allows, in its own type."""
    found = settings.load(environment)
    for setting in SETTINGS:
        value = getattr(found, setting.attribute)
        assert type(value) is type(setting.default)
        assert parse(setting, value) == value
    assert isinstance(found.config(), Config)


@given(data=st.data())
def test_spelling_and_parsing_are_inverse(data: st.DataObject) -> None:
    """What ``otel-dbmon settings`` prints can be put into the environment and gives the same value again."""
    setting = data.draw(st.sampled_from(SETTINGS))
    numbers = st.floats(setting.minimum, setting.maximum)
    value = data.draw(
        {
            "boolean": st.booleans(),
            "milliseconds": numbers,
            "number": numbers,
            "integer": st.integers(int(setting.minimum or 0), int(setting.maximum or 0)),
            "float_list": st.sets(numbers, min_size=1, max_size=20).map(lambda found: tuple(sorted(found))),
            "enum": st.sampled_from(setting.choices or ("",)),
            "enum_list": st.sets(st.sampled_from(setting.choices or ("",))).map(
                lambda found: tuple(choice for choice in setting.choices if choice in found)
            ),
            "string": st.text(min_size=1).map(str.strip).filter(bool),
        }[setting.type]
    )
    assert parse(setting, spell(value)) == value


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_while_threads_warn_can_load() -> None:
    """No lock of ours is held across a fork: children of a busy process read their settings and end."""
    code = """
import os, threading
from otel_dbmon import settings
stop = threading.Event()
def work(number):
    count = 0
    while not stop.is_set():
        count += 1
        settings.load({f"OTEL_DBMON_X{number}_{count % 500}": "1", "OTEL_DBMON_ENABLED": "perhaps"})
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for _ in range(20):
    pid = os.fork()
    if not pid:
        os._exit(0 if settings.load({"OTEL_DBMON_MAX_SERIES": "x"}).max_series == 2000 else 1)
    assert os.waitpid(pid, 0)[1] == 0
stop.set()
for thread in threads: thread.join()
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=environment, stderr=subprocess.DEVNULL, timeout=60, check=True
    )
