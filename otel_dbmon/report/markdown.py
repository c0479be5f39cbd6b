"""Takes the document; answers with Markdown as GitHub reads it, in which no name from outside is more than a name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from otel_dbmon.report.document import Cell, Document, Section, Table
from otel_dbmon.report.wording import visible

_MARKS = {"worse": " ▲", "better": " ▼"}
_is_special = re.compile(r"([\\`*_{}\[\]()#+!|<>~&])")


def as_markdown(document: Document) -> str:
    """The text."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield from (f"# {document.title}", "", escaped(document.subtitle), "")
    for note in document.notes:
        yield from (f"> {escaped(note)}", "")
    yield from ("| | | |", "| --- | ---: | ---: |")
    yield from (f"| {name} | {_cell(value)} | {_cell(change)} |" for name, value, change in document.facts)
    for section in document.sections:
        yield from _section(section)
    if document.asked_at:
        yield from _questions(document)
    yield from ("", "---", "", escaped(document.footer))


def _section(section: Section) -> Iterator[str]:
    yield from ("", f"## {section.title}", "", escaped(section.meaning))
    for table in section.tables:
        if table.title:
            yield from ("", f"### {table.title}")
        yield ""
        yield from _table(table)
    for note in section.notes:
        yield from ("", escaped(note))


def _table(table: Table) -> Iterator[str]:
    if not table.rows:
        yield escaped(table.empty)
        return
    yield f"| {' | '.join(column.title for column in table.columns)} |"
    yield f"| {' | '.join('---:' if column.is_number else '---' for column in table.columns)} |"
    yield from (f"| {' | '.join(map(_cell, row))} |" for row in table.rows)
    if table.more:
        yield from ("", f"and {table.more:,} more.")


def _questions(document: Document) -> Iterator[str]:
    yield from ("", "## PromQL of these numbers", "")
    before = f"; for the period before, at {document.asked_before}" if document.asked_before else ""
    yield f"Asked at {document.asked_at}{before}."
    for section in document.sections:
        if section.questions:
            yield from ("", f"### {section.title}: PromQL", "")
        for question in section.questions:
            step = f", every {question.step_s} s" if question.step_s else ""
            yield f"- {escaped(question.of)}{step}: {code(question.promql)}"


def _cell(cell: Cell) -> str:
    # In a table a bar ends the cell, in code as well, unless a backslash is before it.
    text = code(cell.text).replace("|", "\\|") if cell.is_name else escaped(cell.text)
    return f"{text}{_MARKS.get(cell.tone, '')}"


def escaped(text: str) -> str:
    """Text in which nothing is markup."""
    return _is_special.sub(r"\\\1", " ".join(visible(text).split()))


def code(text: str) -> str:
    """Text as code: between one backtick more than it has in a row."""
    text = " ".join(visible(text).split())
    if not text:
        return ""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{text}{pad}{fence}"
