"""Takes the command that starts a service, gives the same command under the launcher, or why it is left alone."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath

LAUNCHER = "opentelemetry-instrument"

#: Programs that are Python, or start it in their own process.
_PROGRAMS = re.compile(
    r"python(3(\.\d+)?)?|gunicorn|uvicorn|hypercorn|daphne|granian|waitress-serve|flask|fastapi|django-admin"
    r"|celery|dramatiq|rq|huey_consumer(\.py)?|arq|faststream|sanic|litestar"
)
#: Programs that run another one, which follows this word.
_RUNNERS = {"poetry": "run", "uv": "run", "pdm": "run", "pipenv": "run", "hatch": "run", "rye": "run"}
_INITS = ("tini", "dumb-init")
#: What only a shell understands and what would make the launcher start something else than the service.
_SHELL = re.compile(r"[;&|<>`()]|\$\(")


class NotSafeError(ValueError):
    """The command is not one that can be put under the launcher without knowing more; the message says why."""


def is_launched(words: Sequence[str]) -> bool:
    """Whether a command is under the launcher already, ours or another vendor's wrapper around it."""
    return any(PurePosixPath(word).name in (LAUNCHER, "opentelemetry-instrument.exe") for word in words)


def insertion(words: Sequence[str]) -> tuple[int, str]:
    """Where the launcher goes into a command, and what it is called there.

    Args:
        words: The command as a program would get it.

    Returns:
        The index of the word that it goes before, and the word.

    Raises:
        NotSafeError: It is not known to start Python.
    """
    start = _first_of_program(words)
    program = PurePosixPath(words[start]) if start < len(words) else PurePosixPath("")
    if not _PROGRAMS.fullmatch(program.name):
        raise NotSafeError(f"it is not known whether {program.name or 'nothing'} is Python")
    # A virtual environment that is called by its path is not on PATH either.
    in_environment = program.parent.name == "bin" and str(program.parent) not in ("/usr/bin", "/bin")
    return start, str(program.parent / LAUNCHER) if in_environment else LAUNCHER


def is_only_an_init(words: Sequence[str]) -> bool:
    """Whether an entry point only starts the command that follows it: a tini or a dumb-init, or none at all."""
    return not words or (PurePosixPath(words[0]).name in _INITS and all(word.startswith("-") for word in words[1:]))


def shell_insertion(command: str) -> tuple[int, str]:
    """The same for a command line of a shell: the offset it goes to.

    Raises:
        NotSafeError: It is more than one simple command, or not known to start Python.
    """
    if _SHELL.search(command):
        raise NotSafeError("it is more than one simple command of a shell")
    try:
        words = shlex.split(command)
    except ValueError:
        raise NotSafeError("its quotes do not match") from None
    if words and re.match(r"\w+=", words[0]):
        raise NotSafeError("it begins with a variable")
    skipped = 1 if words[:1] == ["exec"] else 0
    index, launcher = insertion(words[skipped:])
    return _offset(command, index + skipped), launcher


def _first_of_program(words: Sequence[str]) -> int:
    if not words:
        return 0
    name = PurePosixPath(words[0]).name
    if len(words) > 1 and _RUNNERS.get(name) == words[1]:
        if len(words) > 2 and words[2].startswith("-"):
            raise NotSafeError(f"{name} {words[1]} has options of its own")
        return 2
    if name in _INITS and "--" in words:
        return words.index("--") + 1 + _first_of_program(words[words.index("--") + 1 :])
    return 0


def _offset(command: str, index: int) -> int:
    """Where the word of this index begins; words before it are plain ones."""
    found = [match.start() for match in re.finditer(r"\S+", command)]
    return found[index]
