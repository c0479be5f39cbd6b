"""Takes an environment file, gives it with our variables in a marked block at its end; a variable that is set stays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from otel_dbmon.deploy.changes import change
from otel_dbmon.deploy.service.additions import Additions, Note
from otel_dbmon.deploy.text_files import TextFile, read_text

#: Where a service keeps its environment, in the order of preference. Examples and tests' files are none.
NAMES = (".env", ".env.production", "production.env", "service.env", "app.env", ".envrc")
BEGIN = "# >>> otel-dbmon deploy"
END = "# <<< otel-dbmon deploy"
_BLOCK = re.compile(rf"(?:\r?\n)?^{BEGIN}\r?$.*?^{END}\r?$(?:\r?\n)?", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*?)\r?$", re.MULTILINE)
_PLAIN = re.compile(r"[A-Za-z0-9_./:=,@%+\[\]-]*")


def variables(text: str) -> dict[str, str]:
    """What a text sets; the last of several wins."""
    return {name: value.strip().strip("\"'") for name, value in _VARIABLE.findall(text)}


def add_variables(path: Path, environment: Mapping[str, str]) -> Additions:
    """The file, which may be new, with the variables that it does not set itself."""
    file = read_text(path) or TextFile(path, "", has_mark=False)
    own = _BLOCK.sub("", file.text)
    kept = {name: value for name, value in variables(own).items() if name in environment}
    added = {name: value for name, value in environment.items() if name not in kept}
    notes = [Note(path, f"{name} is set there and stays") for name, value in kept.items() if value != environment[name]]
    facts = [Note(path, "holds the environment")]
    # direnv reads a script of the shell; everything else that reads such files does not know the word.
    export = "export " if path.name == ".envrc" else ""
    lines = [BEGIN, *(f"{export}{name}={_quoted(value)}" for name, value in added.items()), END] if added else []
    present = _BLOCK.search(file.text)
    if present is None:
        after = file.with_lines([*([""] if own.strip() else []), *lines]) if lines else None
    else:
        block = "".join(line + file.line_end for line in lines)
        lead = file.line_end if lines and present.group().startswith(("\n", "\r\n")) else ""
        after = file.encoded(file.text[: present.start()] + lead + block + file.text[present.end() :])
    return Additions([] if after is None else [change(path, after)], notes, facts)


def _quoted(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else '"' + re.sub(r'(["\\$`])', r"\\\1", value) + '"'
