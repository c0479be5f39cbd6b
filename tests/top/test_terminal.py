"""The command in a real terminal (tmux), in a pipe, and with a mistake in the command line."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from launching import Launched, free_port
from programs import need
from watching import traffic

from otel_dbmon.command import main

ORDERS = "SELECT orders"
_WAIT_S = 30.0
_COVERAGE = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


class Terminal:
    """A terminal of tmux in which a command runs."""

    def __init__(self, columns: int, lines: int, folder: Path) -> None:
        self._tmux = [str(need("tmux")), "-L", f"dbmon-{uuid.uuid4().hex[:8]}", "-f", os.devnull]
        self._size = ["-x", str(columns), "-y", str(lines)]
        self._status = folder / "status"

    def run(self, *arguments: str, **environment: str) -> None:
        """Start our command there."""
        variables = [f"{name}={value}" for name, value in environment.items()]
        # Measuring coverage is for the tests without a terminal: here it keeps the command from ending at once.
        unset = [word for name in ("NO_COLOR", *_COVERAGE) for word in ("-u", name)]
        command = ["env", *unset, *variables, sys.executable, "-m", "otel_dbmon", *arguments]
        # tmux itself does not always hear of the status of what is over.
        command = ["sh", "-c", f'"$@"; echo $? >{shlex.quote(str(self._status))}', "sh", *command]
        self._call("new-session", "-d", *self._size, *command)
        # What it says at its end stays.
        self._call("set-option", "-g", "remain-on-exit", "on")

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self._call("send-keys", *keys)

    def resize(self, columns: int, lines: int) -> None:
        """Make the terminal larger or smaller."""
        self._call("resize-window", "-x", str(columns), "-y", str(lines))

    def shown(self, *options: str) -> str:
        """What is there now."""
        return self._call("capture-pane", "-p", *options)

    def until(self, condition: Callable[[str], bool]) -> str:
        """What is there as soon as it is so."""
        deadline = time.monotonic() + _WAIT_S
        while not condition(shown := self.shown()):
            assert time.monotonic() < deadline, shown
            time.sleep(0.1)
        return shown

    def has_ended(self) -> bool:
        """Whether the command is over, and went well."""
        return self._status.exists() and self._status.read_text() == "0\n"

    def close(self) -> None:
        """End whatever runs there."""
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)

    def _call(self, *words: str) -> str:
        return subprocess.run([*self._tmux, *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal of 100 by 30."""
    terminal = Terminal(100, 30, tmp_path)
    yield terminal
    terminal.close()


@pytest.fixture(scope="module")
def service() -> Iterator[Launched]:
    """A service that is always busy."""
    with traffic() as launched:
        assert launched.output.readline() == "ready\n"
        yield launched


def test_it_lives_through_a_restart_in_a_real_terminal(terminal: Terminal) -> None:
    """Seen, gone, back; every key; other sizes; and it leaves the terminal in order."""
    port = free_port()
    with traffic(port) as launched:
        assert launched.output.readline() == "ready\n"
        terminal.run("top", f"localhost:{port}", "--interval", "0.5")
        shown = terminal.until(lambda shown: ORDERS in shown and "<1 ms" in shown)
        assert f"http://localhost:{port}" in shown
        assert "canary" not in shown
        terminal.press("/")
        terminal.until(lambda shown: "summary, service or fingerprint" in shown)
        terminal.press("orders")
        terminal.until(lambda shown: "filter: orders" in shown and "SELECT users" not in shown)
        terminal.press("Enter")
        # As a person does, who sees the field go before the next key; until then, keys are the field's.
        terminal.until(lambda shown: "orders" not in map(str.strip, shown.splitlines()))
        terminal.press("c")
        terminal.until(lambda shown: "▼calls/s" in shown)
        terminal.press("Enter")
        shown = terminal.until(lambda shown: "Found, and who sends it" in shown)
        assert "SELECT * FROM orders WHERE user_id = ?" in shown
        assert "traffic.py:" in shown
        terminal.press("Escape")
        terminal.until(lambda shown: "▼calls/s" in shown)
    terminal.until(lambda shown: "no answer, retrying (last data" in shown and ORDERS in shown)
    terminal.resize(80, 24)
    with traffic(port) as launched:
        assert launched.output.readline() == "ready\n"
        shown = terminal.until(lambda shown: "no answer" not in shown and "<1 ms" in shown)
        assert all(len(line) <= 80 for line in shown.splitlines())
        terminal.press("?")
        terminal.until(lambda shown: "reverse the order" in shown)
        terminal.press("Escape")
        terminal.until(lambda shown: "reverse the order" not in shown)
        terminal.press("q")
        terminal.until(lambda _: terminal.has_ended())


def test_no_color_means_none(terminal: Terminal, service: Launched) -> None:
    """Where NO_COLOR is set, everything is there, in shades of grey at most."""
    terminal.run("top", f"localhost:{service.port}", "--interval", "0.5", NO_COLOR="1")
    terminal.until(lambda shown: ORDERS in shown and "<1 ms" in shown)

    shades = re.findall(r"\x1b\[[0-9;]*?[34]8;2;(\d+);(\d+);(\d+)", terminal.shown("-e"))
    named = re.findall(r"\x1b\[(?:3|4)([1-6])m", terminal.shown("-e"))

    assert all(max(map(int, shade)) - min(map(int, shade)) <= 1 for shade in shades)
    assert not named


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, with its output in a pipe."""
    command = [sys.executable, "-m", "otel_dbmon", "top", *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def test_in_a_pipe_one_look_is_printed(service: Launched) -> None:
    """As a table without colours or trailing blanks, the costliest first, then findings."""
    done = run(f"localhost:{service.port}", "--interval", "0.5")

    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0] == f"http://localhost:{service.port}"
    assert lines[4].split()[:4] == ["time/s", "%", "calls/s", "mean"]
    assert any(ORDERS in line for line in lines[5:8])
    assert any("N+1 queries detected: SELECT orders" in line for line in lines)
    assert "\x1b" not in done.stdout
    assert all(line == line.rstrip() for line in lines)


def test_json_is_for_programs(service: Launched) -> None:
    """All figures, null for what is not known; sorted and filtered."""
    done = run(f"localhost:{service.port}", "--json", "--interval", "0.5", "--sort", "errors", "--filter", "missing")

    answer = json.loads(done.stdout)
    [query] = answer["queries"]
    assert (query["summary"], query["service"]) == ("SELECT missing", "user-svc")
    assert query["errors"] == query["calls"] > 0
    assert answer["totals"]["errors"] == {"syntax": pytest.approx(query["errors"], rel=0.3)}
    assert answer["totals"]["calls"] > 5 * query["calls"]
    assert answer["pools"][0]["name"] == "sqlite"
    assert {found["kind"] for found in answer["findings"]} == {"n_plus_one"}


def test_nobody_answers(capfd: pytest.CaptureFixture[str]) -> None:
    """One line that says who, and exit code 1."""
    port = free_port()

    assert main(["top", "--once", str(port)]) == 1
    assert f"http://localhost:{port}" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["localhost:0"], "ports go from 1 to 65535"),
        (["localhost:9000-9999"], "at most 256 at once"),
        (["ftp://shop"], "no http"),
        (["a b"], "neither a port, a host nor an address"),
        (["http://me:secret@shop/metrics"], "an endpoint knows no users"),
        (["--prometheus", "http://localhost:9090", "9464"], "one source"),
        (["--service", "shop"], "go with --prometheus"),
        (["--prometheus", "http://localhost:9090", "--window", "soon"], "like 30s, 30m, 1d or 1w"),
        (["--interval", "0"], "0.2"),
    ],
)
def test_a_mistake_is_answered_with_what_to_do(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong command line is exit code 2 and one message."""
    assert main(["top", "--once", *arguments]) == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert said in shown
    assert "secret@" not in shown or "me:secret" in arguments[0]
