"""Takes the command line of ``otel-dbmon`` and answers with an exit code; loads only what the command needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from otel_dbmon import __version__

_MISSING_EXTRA = 'This command needs the "cli" extra: pip install "otel-dbmon[cli]"'
#: The exit codes that shells give to a command that Ctrl-C or a closed pipe ended.
_INTERRUPTED, _BROKEN_PIPE = 130, 141
_FAILED, _USAGE_ERROR = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What follows ``otel-dbmon``; the process's own arguments if not given.

    Returns:
        0 if it worked, 1 if it did not, 2 if the command line was wrong.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    _print_anything()
    try:
        code = _command(arguments)()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _give_up_stdout()
        return _BROKEN_PIPE
    except OSError as error:
        _give_up_stdout()
        sys.stderr.write(f"otel-dbmon: {error.strerror}\n")
        return _FAILED
    return code


def _command(arguments: list[str]) -> Callable[[], int]:
    # These two need nothing but ourselves, and start in a fraction of the time.
    if arguments == ["--version"]:
        return _print_version
    if arguments == ["analyze"]:
        return _answer_stdin
    return lambda: _run_cli(arguments)


def _print_version() -> int:
    sys.stdout.write(f"otel-dbmon {__version__}\n")
    return 0


def _answer_stdin() -> int:
    from otel_dbmon.cli.jsonlines import answer_stdin

    answer_stdin()
    return 0


def _run_cli(arguments: list[str]) -> int:
    try:
        from otel_dbmon.cli.commands import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("click", "rich"):
            raise
        sys.stderr.write(_MISSING_EXTRA + "\n")
        return _USAGE_ERROR
    return run(arguments)


def _give_up_stdout() -> None:
    # Python flushes once more at exit, and must not find the closed pipe or the full disk then.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_anything() -> None:
    """Let statements and names of any kind be printed, whatever the terminal can show."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
