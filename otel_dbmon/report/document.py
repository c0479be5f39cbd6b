"""The report as a reader meets it: sections of tables and charts, in words and with the PromQL of each number."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """What stands in a table; a plain string is one of ours that needs no care.

    Attributes:
        text: What is shown. It may come from outside: a page and Markdown show it as it is.
        tone: ``worse``, ``better`` or "".
        is_name: Whether it is a name from outside, shown as code is.
    """

    text: str
    tone: str = ""
    is_name: bool = False


@dataclass(frozen=True)
class Column:
    """A table's column.

    Attributes:
        title: Above it.
        is_number: Whether it is set to the right.
    """

    title: str
    is_number: bool = True


@dataclass(frozen=True)
class Table:
    """Rows under columns.

    Attributes:
        title: Above it; "" where the section's is enough.
        columns: From left to right.
        rows: As many cells as columns.
        more: How many rows are left out.
        empty: What is said in place of a table without rows.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    more: int = 0
    empty: str = "Nothing."


@dataclass(frozen=True)
class Line:
    """A line of a chart; None where there is no value."""

    label: str
    values: tuple[float | None, ...]
    is_faint: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines over time, or bars for names.

    Attributes:
        title: Above it, with the unit.
        moments: What stands below each value; beside each bar, whose it is.
        lines: At most eight.
        unit: ``s``, ``share`` or ``number``.
        kind: ``line`` or ``bar``.
    """

    title: str
    moments: tuple[str, ...]
    lines: tuple[Line, ...]
    unit: str = "number"
    kind: str = "line"


@dataclass(frozen=True)
class Question:
    """What to ask Prometheus for a number of the section.

    Attributes:
        of: Which number.
        promql: The question; asked at the end of the period, and at its beginning for the period before.
        step_s: Between two moments, if it is asked for a range; 0 if for one moment.
    """

    of: str
    promql: str
    step_s: int = 0


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        key: Its name in addresses, unlike any other's.
        title: Its heading.
        meaning: What it says and how to read it.
        notes: What a reader has to know of these very numbers.
        charts: First.
        tables: Then.
        questions: And how to check it.
    """

    key: str
    title: str
    meaning: str
    tables: tuple[Table, ...]
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True)
class Document:
    """All of it.

    Attributes:
        title: Its heading.
        subtitle: What time it is about, and whose services.
        facts: What stands on top: a name, a value, how that changed.
        notes: What a reader has to know first.
        sections: In order.
        footer: Where the numbers come from, and when.
        asked_at: The moment at which questions give the numbers; "" where there are none.
        asked_before: The same for the period before.
    """

    title: str
    subtitle: str
    facts: tuple[tuple[str, Cell, Cell], ...]
    notes: tuple[str, ...]
    sections: tuple[Section, ...]
    footer: str
    asked_at: str = ""
    asked_before: str = ""
