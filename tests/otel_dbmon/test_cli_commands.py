"""The commands as a person meets them: on a terminal, in a pipe, and with a mistake in the command line."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from otel_dbmon import __version__
from otel_dbmon.command import main

ESCAPE = "\x1b["


def run(*arguments: str, environ: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Exit code, output and errors of the command in a process of its own, with its output in a pipe."""
    done = subprocess.run(
        [sys.executable, "-m", "otel_dbmon", *arguments],
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def run_on_terminal(arguments: Sequence[str], **environ: str) -> str:
    """What the command shows on a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **environ}
    environment.pop("NO_COLOR" if "NO_COLOR" not in environ else "", None)
    with subprocess.Popen(
        [sys.executable, "-m", "otel_dbmon", *arguments], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ):
        os.close(theirs)
        shown = b""
        while piece := _read(ours):
            shown += piece
    os.close(ours)
    return shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # what Linux says when the other side has closed
        return b""


@pytest.mark.parametrize("option", ["--version", "analyze --version"])
def test_version(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The version is that of the package; only the command itself knows it."""
    code = main(option.split())
    if option == "--version":
        assert (code, capsys.readouterr().out) == (0, f"otel-dbmon {__version__}\n")
    else:
        assert code == 2


@pytest.mark.parametrize("command", ["advise", "analyze", "settings", "demo", "deploy", "top", "verify"])
def test_help_comes_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command says what it does and how it is called."""
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Examples:" in shown
    assert f"otel-dbmon {command}" in shown


def test_without_arguments_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of the whole, as a wrong command line."""
    assert main([]) == 2
    shown = "".join(capsys.readouterr())
    assert all(command in shown for command in ("analyze", "demo", "settings"))


def test_analyze_shows_a_person_the_whole_analysis(capsys: pytest.CaptureFixture[str]) -> None:
    """Every fact has its line; nothing of the value is on the screen."""
    assert main(["analyze", "--dialect", "sqlite", "SELECT name FROM users WHERE email = 'ann@example.com'"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["Sanitized"] == "SELECT name FROM users WHERE email = ?"
    assert lines["Summary"] == "SELECT users"
    assert lines["Tables"] == "users"
    assert {"Operation", "Type", "Complexity", "Analysis", "Fingerprint", "Dialect"} <= set(lines)


def test_analyze_answers_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The same keys as in a stream of lines."""
    assert main(["analyze", "--json", "DELETE FROM carts"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["operation"], answer["collections"]) == ("DELETE", ["carts"])


def test_analyze_reads_a_statement_from_standard_input() -> None:
    """A dash stands for a file that is too long for a command line."""
    done = subprocess.run(
        [sys.executable, "-m", "otel_dbmon", "analyze", "--json", "-"],
        input=b"SELECT a\nFROM b -- comment\n",
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["sanitized"] == "SELECT a FROM b"


def test_a_long_statement_is_not_folded_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """A line there is for another program."""
    columns = ", ".join(f"column_{number}" for number in range(100))
    assert main(["analyze", f"SELECT {columns} FROM t"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"Sanitized    SELECT {columns} FROM t" in lines
    assert not any(line.endswith(" ") for line in lines)


def test_markup_and_control_characters_are_shown_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    """What a statement names may be anything."""
    assert main(["analyze", "--dialect", "postgresql", 'SELECT "[bold]x\x1b[31m" FROM t']) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[bold]x" in shown


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["analyze", "--dialect", "klingon", "SELECT 1"], "postgresql"),
        (["analyze", "SELECT", "1"], "quotes"),
        (["analyse"], "analyze"),
        (["demo", "--duration", "soon"], "--duration"),
        (["demo", "--duration", "0"], "--duration"),
        (["settings", "--everything"], "--everything"),
    ],
)
def test_a_mistake_is_one_message_with_a_hint(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, nothing on standard output, no traceback."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert hint in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_one_line_says_what_to_install(missing: str) -> None:
    """Only what needs a library of the extra needs the extra."""
    # In a process of its own: modules that were half imported are of no use to other tests.
    script = f"import sys; sys.modules[{missing!r}] = None; from otel_dbmon.command import main; sys.exit(main())"
    command = [sys.executable, "-c", script]
    refused = subprocess.run([*command, "settings"], capture_output=True, text=True, check=False)
    hint = 'This command needs the "cli" extra: pip install "otel-dbmon[cli]"\n'
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", hint)
    assert subprocess.run([*command, "--version"], capture_output=True, check=True).stdout.startswith(b"otel-dbmon ")
    answer = subprocess.run([*command, "analyze"], input=b'{"sql": "SELECT 1"}', capture_output=True, check=True)
    assert json.loads(answer.stdout)["sanitized"] == "SELECT ?"


def test_settings_show_values_and_where_they_came_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every setting is listed; one from the environment says so."""
    monkeypatch.setenv("OTEL_DBMON_SLOW_QUERY_THRESHOLD", "250")
    assert main(["settings"]) == 0
    lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert lines["OTEL_DBMON_SLOW_QUERY_THRESHOLD"][1] == "environment"
    assert lines["OTEL_DBMON_ENABLED"] == ["true", "default"]


def test_settings_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a setting, for other programs."""
    assert main(["settings", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert {"name", "value", "default", "source"} == set(entries[0])


def test_a_wrong_setting_is_shown_with_its_default() -> None:
    """The reason is beside the value that is used instead."""
    code, shown, _ = run("settings", environ={"OTEL_DBMON_MAX_SERIES": "many"})
    assert code == 0
    (line,) = [line for line in shown.splitlines() if line.startswith("OTEL_DBMON_MAX_SERIES")]
    assert "2000" in line
    assert "'many'" in line


def test_colour_is_only_for_terminals() -> None:
    """NO_COLOR wins there, and a pipe never gets any."""
    analyze = ["analyze", "SELECT 1"]
    assert ESCAPE in run_on_terminal(analyze)
    without_colour = run_on_terminal(analyze, NO_COLOR="1")
    assert "\x1b[3" not in without_colour
    assert ESCAPE not in run(*analyze)[1]


def test_any_terminal_can_show_any_statement() -> None:
    """What the encoding lacks is escaped, never an error."""
    code, shown, errors = run(
        "analyze", "--dialect", "sqlite", "SELECT größe FROM straße", environ={"PYTHONIOENCODING": "ascii"}
    )
    assert (code, errors) == (0, "")
    assert "stra\\xdfe" in shown


@pytest.mark.parametrize("arguments", [["settings"], ["analyze", "SELECT 1"], ["settings", "--json"], ["--version"]])
def test_a_closed_pipe_is_quiet(arguments: list[str]) -> None:
    """The reader has seen enough: that is no failure to talk about."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "otel_dbmon", *arguments], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode != 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [["settings"], ["--version"]])
def test_a_full_disk_is_one_message(arguments: list[str]) -> None:
    """Exit code 1 and no traceback."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "otel_dbmon", *arguments], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"otel-dbmon: No space left on device\n")


def test_ctrl_c_is_quiet() -> None:
    """Exit code 130, as the shell would say, and no traceback."""
    command = [sys.executable, "-m", "otel_dbmon", "analyze"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'{"sql": "SELECT 1"}\n')
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (130, b"")


def test_a_service_never_loads_what_a_person_runs() -> None:
    """Importing every module that a service may use leaves every terminal and parser library out."""
    script = """
import importlib, pathlib, sys
for package in ("otel_dbmon", "otel_dbmon_processors", "otel_dbmon_semconv"):
    root = pathlib.Path(importlib.import_module(package).__file__).parent
    for path in root.rglob("*.py"):
        parts = path.relative_to(root.parent).with_suffix("").parts
        ours = {"advise", "cli", "demo", "deploy", "report", "top", "verify", "examples", "__main__", "__init__"}
        if not ours & set(parts):
            importlib.import_module(".".join(parts))
libraries = {"click", "rich", "textual", "jinja2", "pygal", "yaml", "sqlglot", "flask", "bcrypt", "jsonschema"}
libraries |= {"ruamel.yaml", "tomlkit"}
rooms = {f"otel_dbmon.{room}" for room in ("advise", "cli", "demo", "deploy", "report", "top", "verify")}
print(sorted((libraries | rooms) & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path.home())
    assert done.stdout == "[]\n"
