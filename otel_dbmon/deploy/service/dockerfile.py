"""Takes a Dockerfile, gives it with the launcher before the command of its last stage, and variables if asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from otel_dbmon.deploy.changes import change
from otel_dbmon.deploy.launcher import NotSafeError, insertion, is_launched, is_only_an_init, shell_insertion
from otel_dbmon.deploy.service.additions import Additions, Note
from otel_dbmon.deploy.text_files import read_text

NAMES = ("Dockerfile", "Containerfile", "docker/Dockerfile")
_BY_HAND = "put opentelemetry-instrument before the command that starts Python"
_BEGIN = "# Written by `otel-dbmon deploy`."
_ENV = re.compile(rf"^{re.escape(_BEGIN)}\r?\nENV (?:.*\\\r?\n)*.*\r?\n", re.MULTILINE)
_WORD = re.compile(r"\s*([A-Za-z]+)(\s+)")
_HEREDOC = re.compile(r"<<-?[\"']?([A-Za-z_][A-Za-z0-9_]*)[\"']?")


@dataclass(frozen=True)
class _Instruction:
    """One instruction: what it is called, its arguments with their line ends, and where those begin in the text."""

    name: str
    arguments: str
    start: int
    arguments_start: int


def mentions(path: Path, name: str) -> bool:
    """Whether a Dockerfile has a word in it."""
    file = read_text(path)
    return file is not None and re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", file.text) is not None


def add_launcher(path: Path, environment: Mapping[str, str]) -> Additions:
    """The file with the launcher in it, and with these variables before the command.

    Args:
        path: The Dockerfile.
        environment: Variables that no other file of the service holds; may be empty.
    """
    file = read_text(path)
    assert file is not None
    text, notes, launched = _launched(path, file.text)
    kept = _set_by(text)
    added = {name: value for name, value in environment.items() if name not in kept}
    notes += [Note(path, f"{name} is set there and stays") for name in environment if name in kept]
    text = _with_variables(text, added, file.line_end) if environment else text
    changes = [] if text == file.text else [change(path, file.encoded(text))]
    facts = [Note(path, "starts the service under opentelemetry-instrument")] if launched else []
    facts += [Note(path, "holds the environment")] if environment else []
    return Additions(changes, notes, facts)


def _launched(path: Path, text: str) -> tuple[str, list[Note], bool]:
    """The text with the launcher; what was left alone; whether the service starts under it."""
    entry, command = _of_last_stage(text, "ENTRYPOINT"), _of_last_stage(text, "CMD")
    if any(found is not None and _is_launched(found) for found in (entry, command)):
        return text, [], True
    if command is None and entry is None:
        return text, [Note(path, f"no CMD or ENTRYPOINT; {_BY_HAND}")], False
    first = entry if entry is not None and (command is None or not _is_only_an_init(entry)) else command
    assert first is not None
    try:
        offset, inserted = _insertion(first)
    except NotSafeError as error:
        return text, [Note(path, f"{first.name} is left alone: {error}; {_BY_HAND}")], False
    return text[:offset] + inserted + text[offset:], [], True


def _insertion(instruction: _Instruction) -> tuple[int, str]:
    """Where something goes into the text, and what."""
    words = _words(instruction.arguments)
    if words is None:
        offset, launcher = shell_insertion(_without_continuations(instruction.arguments))
        return instruction.arguments_start + offset, f"{launcher} "
    index, launcher = insertion(words)
    position = -1
    for _ in range(index + 1):
        position = instruction.arguments.index('"', position + 1) if position < 0 else _next(instruction, position)
    return instruction.arguments_start + position, f"{json.dumps(launcher)}, "


def _next(instruction: _Instruction, position: int) -> int:
    """Where the string after the one that begins here begins."""
    ended = json.JSONDecoder().raw_decode(instruction.arguments, position)[1]
    return instruction.arguments.index('"', ended)


def _words(arguments: str) -> list[str] | None:
    """The words of an exec form, or None if it is a shell form."""
    if not arguments.startswith("["):
        return None
    try:
        words = json.loads(_without_continuations(arguments))
    except ValueError:
        # What Docker does with it as well.
        return None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def _without_continuations(text: str) -> str:
    """The same text on one line, every character at its place."""
    return re.sub(r"\\(\r?\n)", lambda match: " " * len(match.group()), text).replace("\n", " ").replace("\r", " ")


def _is_launched(instruction: _Instruction) -> bool:
    words = _words(instruction.arguments)
    return is_launched(instruction.arguments.split() if words is None else words)


def _is_only_an_init(instruction: _Instruction) -> bool:
    words = _words(instruction.arguments)
    return words is not None and is_only_an_init(words)


def _of_last_stage(text: str, name: str) -> _Instruction | None:
    found = None
    for instruction in _instructions(text):
        if instruction.name == "FROM":
            found = None
        elif instruction.name == name:
            found = instruction
    return found


def user_of(path: Path) -> str:
    """The user that the last stage runs as; "" where it says none."""
    file = read_text(path)
    found = _of_last_stage(file.text, "USER") if file is not None else None
    return found.arguments.partition(":")[0] if found is not None else ""


def _set_by(text: str) -> set[str]:
    """Variables that the last stage sets itself."""
    names: set[str] = set()
    for instruction in _instructions(_ENV.sub("", text)):
        if instruction.name == "FROM":
            names = set()
        elif instruction.name == "ENV":
            arguments = _without_continuations(instruction.arguments)
            pairs = re.findall(r"([A-Za-z_][A-Za-z0-9_]*)=", arguments)
            names |= set(pairs) or {arguments.split()[0]}
    return names


def _with_variables(text: str, variables: Mapping[str, str], line_end: str) -> str:
    text = _ENV.sub("", text)
    if not variables:
        return text
    pairs = f" \\{line_end}    ".join(
        f"{name}={json.dumps(value).replace('$', chr(92) + '$')}" for name, value in variables.items()
    )
    block = f"{_BEGIN}{line_end}ENV {pairs}{line_end}"
    last = [found for found in (_of_last_stage(text, "ENTRYPOINT"), _of_last_stage(text, "CMD")) if found is not None]
    if not last:
        return text + ("" if text.endswith("\n") else line_end) + block
    start = min(found.start for found in last)
    return text[:start] + block + text[start:]


def _instructions(text: str) -> Iterator[_Instruction]:
    """Every instruction of a Dockerfile, in order; comments and the bodies of here-documents are none."""
    lines = text.splitlines(keepends=True)
    offset = number = 0
    while number < len(lines):
        start, whole = offset, ""
        while number < len(lines):
            line = lines[number]
            number, offset = number + 1, offset + len(line)
            whole += line
            is_comment = line.lstrip().startswith("#")
            if not (line.rstrip().endswith("\\") or (is_comment and whole != line)) or (is_comment and whole == line):
                break
        match = _WORD.match(whole)
        if match is None or whole.lstrip().startswith("#"):
            continue
        for marker in _HEREDOC.findall(whole) if match[1].upper() in ("RUN", "COPY", "ADD") else ():
            while number < len(lines) and lines[number].strip() != marker:
                number, offset = number + 1, offset + len(lines[number])
        arguments = whole[match.end() :].rstrip()
        yield _Instruction(match[1].upper(), arguments, start, start + match.end())
