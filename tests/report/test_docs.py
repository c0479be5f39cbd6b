"""What docs/report.md tells people to type is what the command takes; its files are what systemd and cron read."""

from __future__ import annotations

import configparser
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from programs import need

from otel_dbmon.cli.commands import commands

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"otel-dbmon (report --.*)$", PAGE, re.MULTILINE)
UNITS = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
CRON = re.findall(r"^(\S+ \S+ \* \* \S+) (otel-dbmon .*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_one_that_is_taken(command: str, tmp_path: Path) -> None:
    """Every option, with a value of its kind; files that it reads are there."""
    (tmp_path / "smtp.password").write_text("x\n")
    name, *arguments = shlex.split(command.replace("${CREDENTIALS_DIRECTORY}", str(tmp_path)))
    found = commands.commands[name].make_context(name, arguments)
    assert found.params["url"] == "http://localhost:9090"


def test_each_option_in_the_table_is_one() -> None:
    """And in the text."""
    known = {option for parameter in commands.commands["report"].params for option in parameter.opts}
    written = set(re.findall(r"`(--[a-z-]+)", PAGE))
    assert written
    assert written - {"--target"} <= known


def test_cron_and_systemd_have_what_they_need() -> None:
    """Lines without a percent sign, which ends a command there; a timer, and a service whose program is named whole."""
    assert len(CRON) == 2
    assert not any("%" in command for _, command in CRON)
    service, timer = (configparser.ConfigParser(interpolation=None, delimiters="=") for _ in UNITS)
    for parser, unit in zip((service, timer), UNITS, strict=True):
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        parser.read_string(unit)
    assert service["Service"]["ExecStart"].startswith("/")
    assert "OnCalendar" in timer["Timer"]


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """As files of these names."""
    paths = [tmp_path / name for name in ("dbmon-report.service", "dbmon-report.timer")]
    for path, unit in zip(paths, UNITS, strict=True):
        path.write_text(unit.replace("/opt/otel-dbmon/bin/otel-dbmon", "/bin/true"))
    done = subprocess.run([need("systemd-analyze"), "verify", *paths], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_metric_on_the_page_is_declared() -> None:
    """No name is made up."""
    from promql import declared

    series = {name.removesuffix("_count").removesuffix("_sum").removesuffix("_bucket") for name in declared()}
    written = set(re.findall(r"`(database_\w+)`", PAGE))
    assert written
    assert written <= series
