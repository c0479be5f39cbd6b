"""Ways of telling that lack their secret are taken out of Alertmanager's configuration, and nothing else is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from programs import need
from rulebook import ROOT

from otel_dbmon.deploy.receivers import without_missing

_CONFIGURATION = ROOT / "collector-config" / "alertmanager" / "alertmanager.yml"
_TEXT = _CONFIGURATION.read_text(encoding="utf-8")
_ALL = [receiver["name"] for receiver in yaml.safe_load(_TEXT)["receivers"]]


def _ways(text: str) -> list[str]:
    """The receivers that tell somebody."""
    return [receiver["name"] for receiver in yaml.safe_load(text)["receivers"] if len(receiver) > 1]


def test_nothing_changes_while_every_secret_is_there() -> None:
    """The text stays as it is, to the letter."""
    assert without_missing(_TEXT, lambda _: True) == (_TEXT, [])


def test_each_secret_keeps_its_own_ways() -> None:
    """Each way stands and falls with its own secret."""
    for secret, ways in {
        "slack.url": ["slack-database", "slack-platform"],
        "pagerduty-database.key": ["pagerduty-database"],
        "pagerduty-platform.key": ["pagerduty-platform"],
        "smtp.password": ["email"],
        "watchdog.password": ["watchdog"],
        "alertmanager.password": ["webhook"],
        "alertmanager.pem": ["webhook"],
    }.items():
        missing = f"secrets/{secret}"
        text, silent = without_missing(_TEXT, lambda name, missing=missing: name != missing)  # type: ignore[misc]
        assert silent == ways
        assert _ways(text) == [name for name in _ALL if name not in ways]


def test_what_is_left_is_valid_and_keeps_its_comments(tmp_path: Path) -> None:
    """With no secret at all every receiver stays by its name, and Alertmanager's own tool accepts the file."""
    folder = tmp_path / "alertmanager"
    shutil.copytree(_CONFIGURATION.parent, folder)
    path = folder / "alertmanager.yml"
    command = [sys.executable, "-m", "otel_dbmon.deploy.receivers", path]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(answer.stdout.splitlines()) == len(_ALL)
    text = path.read_text(encoding="utf-8")
    assert [receiver["name"] for receiver in yaml.safe_load(text)["receivers"]] == _ALL
    assert _ways(text) == []
    assert [line for line in _TEXT.splitlines() if "#" in line and "'#" not in line] == [
        line for line in text.splitlines() if "#" in line
    ]
    subprocess.run([need("amtool"), "check-config", path], capture_output=True, check=True)
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""
