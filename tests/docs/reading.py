"""Takes the project's pages, gives their fenced blocks, and the commands of those blocks that hold some."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
#: Languages of a shell: every line is a command.
SHELLS = ("sh", "shell", "bash", "console")
#: What else a block may say it is. One that is indented and says nothing is none of these.
LANGUAGES = (*SHELLS, "ini", "json", "promql", "python", "sql", "text", "yaml")
#: What a command begins with, where a block does not say that it is one.
_COMMAND = re.compile(r"(?:\$ |[A-Z_]+=\S+ )*(?:otel-dbmon|opentelemetry-|pip|python|pytest|make|curl|docker|kubectl)")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: The page's path from the root of the checkout.
        line: Where it begins, counted from 1.
        language: What it says it is; "" if it says nothing.
        text: What is in it.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> list[str]:
        """The commands of a shell's block, those of several lines as one; comments are no commands."""
        lines = self.text.replace("\\\n", " ").splitlines()
        commands = (line.removeprefix("$ ").strip() for line in lines)
        return [command for command in commands if command and not command.startswith("#")]


def pages() -> list[Path]:
    """Every page that somebody reads, but those that are generated or written while the project changes."""
    folders = ("docs", "examples", "collector-config", "processors")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.md") if "queue" not in path.parts]
    return sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *found])


def blocks() -> Iterator[Block]:
    """All blocks of all pages, in the order of the pages."""
    markdown = MarkdownIt("commonmark").enable("table")
    for page in pages():
        for token in markdown.parse(page.read_text(encoding="utf-8")):
            if token.type in ("fence", "code_block"):
                line = (token.map or [0])[0] + 1
                language = token.info.strip() or ("sh" if _COMMAND.match(token.content) else "")
                yield Block(page.relative_to(ROOT).as_posix(), line, language, token.content)


def pages_with_commands() -> dict[str, list[str]]:
    """The commands of each page that has some, in the order in which a reader meets them."""
    found: dict[str, list[str]] = {}
    for block in blocks():
        if block.language in SHELLS:
            found.setdefault(block.page, []).extend(block.commands())
    return found
