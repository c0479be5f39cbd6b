"""Reads registry/*.yaml and writes the constants, the reference pages and the tables in README.md; alerts likewise.

Run ``python semconv/generate.py`` after every change of the registry or a rule, and with ``--check`` to learn, by exit
status 1 and a unified diff, that somebody forgot to.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from pathlib import Path

from generator import alerts, markdown, python, registry
from generator.entry import RegistryError

_ROOT = Path(__file__).resolve().parent.parent
_BEGIN = re.compile(r"<!-- generated:([a-z]+) -->\n")
_END = re.compile(r"<!-- /generated(?::[a-z]+)? -->")


def main(arguments: list[str] | None = None, root: Path = _ROOT) -> int:
    """Write or check the generated files under ``root``; return the exit status."""
    parser = argparse.ArgumentParser(
        description="Generate constants and reference pages from the registry and the rules."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail with a diff where a file is stale")
    check = parser.parse_args(arguments).check
    try:
        texts = generated(root)
    except RegistryError as error:
        print(error, file=sys.stderr)
        return 2
    stale = {path: text for path, text in texts.items() if _current(path) != text}
    for path, text in stale.items():
        if check:
            sys.stdout.writelines(_diff(path.relative_to(root), _current(path), text))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(root)}")
    return 1 if check and stale else 0


def generated(root: Path) -> dict[Path, str]:
    """Map each generated file to the text that the registry under ``root`` gives it."""
    names = registry.read(root / "semconv" / "registry")
    package = root / "semconv" / "otel_dbmon_semconv"
    reference = root / "docs" / "reference"
    texts = {package / name: text for name, text in python.modules(names).items()}
    texts.update({reference / name: text for name, text in markdown.pages(names).items()})
    rules = root / "collector-config" / "prometheus" / "rules"
    if rules.is_dir():
        texts[root / "docs" / "alerts.md"] = alerts.page(rules)
    readme = root / "README.md"
    if readme.exists():
        texts[readme] = _fill(readme, markdown.blocks(names))
    return texts


def _fill(path: Path, blocks: dict[str, str]) -> str:
    """Put each block between its markers and leave the rest of the page as its author wrote it."""
    text = _current(path)
    filled = ""
    position = 0
    for begin in _BEGIN.finditer(text):
        name = begin[1]
        if name not in blocks:
            raise RegistryError(f"{path.name}: marker '{name}' is not one of {', '.join(blocks)}")
        end = _END.search(text, begin.end())
        if end is None:
            raise RegistryError(f"{path.name}: marker '{name}' has no end")
        filled += f"{text[position : begin.end()]}\n{blocks[name]}\n\n"
        position = end.start()
    return filled + text[position:]


def _current(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _diff(path: Path, old: str, new: str) -> list[str]:
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), f"{path} (as it is)", f"{path} (as generated)"
    )
    return list(lines)


if __name__ == "__main__":
    sys.exit(main())
