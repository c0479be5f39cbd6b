"""The wheel in an environment that holds nothing else, as somebody gets it who has only read the README."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DIST = os.environ.get("DBMON_TEST_DIST", "")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not DIST, reason="no wheel was built: see `make test`")]

GROUPS = (
    "opentelemetry_distro",
    "opentelemetry_configurator",
    "opentelemetry_pre_instrument",
    "opentelemetry_post_instrument",
    "opentelemetry_environment_variables",
)


class Environment:
    """A virtual environment with the wheel in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / ("Scripts" if os.name == "nt" else "bin")

    def run(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run one of the environment's commands, with nothing of this process's Python around it."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OTEL_"))}
        return subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=environ,
            cwd=self.folder,
        )


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel without any extra."""
    return install(tmp_path_factory.mktemp("clean"), "")


def install(folder: Path, extra: str) -> Environment:
    """Install the wheel with what it asks for, and nothing else."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    environment = Environment(folder)
    (wheel,) = Path(DIST).glob("*.whl")
    done = environment.run("python", "-m", "pip", "install", "--quiet", f"{wheel}{extra}")
    assert done.returncode == 0, done.stderr
    return environment


def test_the_command_runs_without_extras(clean: Environment) -> None:
    """Version and JSON lines need nothing; the rest says what it needs."""
    assert clean.run("otel-dbmon", "--version").stdout.startswith("otel-dbmon ")
    answer = clean.run("otel-dbmon", "analyze", stdin='{"sql": "SELECT 1"}\n')
    assert json.loads(answer.stdout)["sanitized"] == "SELECT ?"
    refused = clean.run("otel-dbmon", "settings")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert 'pip install "otel-dbmon[cli]"' in refused.stderr


def test_the_launcher_finds_us(clean: Environment) -> None:
    """Every plug-in loads."""
    script = (
        "from importlib.metadata import entry_points\n"
        f"for group in {GROUPS}:\n"
        "    for found in entry_points(group=group, name='dbmon'):\n"
        "        found.load()\n"
        "        print(group)\n"
    )
    done = clean.run("python", "-c", script)
    assert done.stdout.split() == list(GROUPS), done.stderr


def test_a_service_starts_under_the_launcher(clean: Environment) -> None:
    """It runs as it would without us: its output, its exit code."""
    script = "import sqlite3; print(sqlite3.connect(':memory:').execute('SELECT 41 + 1').fetchone()[0]); exit(3)"
    environment = ["env", "OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none"]
    done = subprocess.run(
        [*environment, str(clean.bin / "opentelemetry-instrument"), str(clean.bin / "python"), "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=clean.folder,
    )
    assert (done.stdout, done.returncode) == ("42\n", 3), done.stderr


def test_no_terminal_or_parser_library_is_installed(clean: Environment) -> None:
    """What a person's commands need stays out of a service's environment."""
    libraries = ("click", "rich", "yaml", "sqlglot", "flask")
    script = f"from importlib.util import find_spec; print([name for name in {libraries} if find_spec(name)])"
    assert clean.run("python", "-c", script).stdout == "[]\n"


def test_the_demo_of_an_installed_wheel_works(tmp_path: Path) -> None:
    """The shop comes with the wheel."""
    environment = install(tmp_path, "[demo]")
    done = environment.run("otel-dbmon", "demo", "--duration", "8", "--output", "shown")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "shown" / "spans.jsonl").stat().st_size > 0
    assert "database_query_duration_seconds" in (tmp_path / "shown" / "metrics.prom").read_text()
