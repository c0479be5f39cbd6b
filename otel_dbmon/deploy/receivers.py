"""Takes Alertmanager's configuration and what secrets there are, takes out the ways of telling that lack theirs.

    python -m otel_dbmon.deploy.receivers alertmanager.yml

A receiver without a way stays, by its name only: routes may name it, and it stands for nobody.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

#: Settings in `global` that name a secret for all receivers of one kind.
_SHARED = {"slack_configs": "slack_api_url_file", "email_configs": "smtp_auth_password_file"}


def without_missing(text: str, exists: Callable[[str], bool]) -> tuple[str, list[str]]:
    """The configuration with those ways only that can work, comments and all; and the names of the others.

    Args:
        text: An alertmanager.yml.
        exists: Whether there is a file, by its name in the configuration.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    configuration = yaml.load(text)
    shared = configuration.get("global", {})
    silent = []
    for receiver in configuration["receivers"]:
        for kind in [key for key in receiver if key.endswith("_configs")]:
            needed = {shared[_SHARED[kind]]} if _SHARED.get(kind) in shared else set()
            if not all(map(exists, needed.union(*map(_files, receiver[kind])))):
                del receiver[kind]
                silent.append(str(receiver["name"]))
    written = StringIO()
    yaml.dump(configuration, written)
    return written.getvalue() if silent else text, silent


def _files(settings: Any) -> Iterator[str]:
    """Every file that a way needs."""
    for key, value in settings.items():
        if key.endswith("_file"):
            yield value
        elif hasattr(value, "items"):
            yield from _files(value)


def main(arguments: list[str]) -> None:
    """Do it to a file, and say what was taken out."""
    path = Path(arguments[0])
    text, silent = without_missing(path.read_text(encoding="utf-8"), lambda name: (path.parent / name).is_file())
    path.write_text(text, encoding="utf-8")
    sys.stdout.write("".join(f"{name}: no secret, so nobody is told this way\n" for name in silent))


if __name__ == "__main__":
    main(sys.argv[1:])
