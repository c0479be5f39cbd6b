"""Takes what a person asked for; answers with the report, and with what is delivered of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from otel_dbmon.querying.access import Access
from otel_dbmon.querying.client import Client, UnansweredError
from otel_dbmon.querying.prometheus import Prometheus
from otel_dbmon.report import wording
from otel_dbmon.report.as_json import as_data
from otel_dbmon.report.document import Document
from otel_dbmon.report.gather import Gatherer
from otel_dbmon.report.index_advice import UnreadableAdviceError, read_advice
from otel_dbmon.report.lines import UnreadableSpansError, places_in
from otel_dbmon.report.markdown import as_markdown
from otel_dbmon.report.model import Report
from otel_dbmon.report.period import Period
from otel_dbmon.report.scrape_file import NotAPageError, report_on

#: A month of ten thousand patterns is no quick question.
_TIMEOUT_S = 120.0


class NoReportError(Exception):
    """There is nothing to report from; the message says what did not work."""


@dataclass(frozen=True)
class Source:
    """Where a report comes from.

    Attributes:
        prometheus: The address of a Prometheus; None to read a scrape.
        access: What it wants to see.
        scrape: A scraped page; None to ask a Prometheus.
        period: What to ask it about.
        services: Whose metrics; everybody's if empty.
        spans: OTLP JSON lines that name lines of code.
        advice: What ``otel-dbmon advise --format json`` answered.
    """

    prometheus: str | None
    access: Access
    scrape: Path | None
    period: Period
    services: tuple[str, ...] = ()
    spans: Path | None = None
    advice: Path | None = None


def make(source: Source, note: Callable[[str], None] = lambda _: None) -> Report:
    """The report.

    Args:
        source: Where it comes from.
        note: Told what is being asked.

    Raises:
        NoReportError: Prometheus does not answer, or a file cannot be read.
    """
    try:
        return _with_lines(_with_advice(_of_metrics(source, note), source), source)
    except (UnansweredError, NotAPageError, UnreadableSpansError, UnreadableAdviceError) as error:
        raise NoReportError(str(error)) from None


def _of_metrics(source: Source, note: Callable[[str], None]) -> Report:
    if source.scrape is not None:
        return report_on(source.scrape, source.services)
    if source.prometheus is None:
        raise NoReportError("neither a Prometheus nor a scrape is named")
    with Client(source.access, _TIMEOUT_S) as client:
        return Gatherer(Prometheus(source.prometheus, client), source.period, source.services).gather(note)


def _with_lines(report: Report, source: Source) -> Report:
    if source.spans is None:
        return report
    places = places_in(source.spans, source.services)
    return replace(report, places=places, lines_from=f"the spans in {source.spans.name}")


def _with_advice(report: Report, source: Source) -> Report:
    if source.advice is None:
        return report
    advice_from = f"what otel-dbmon advise answered ({source.advice.name})"
    return replace(report, advised=read_advice(source.advice), advice_from=advice_from)


def headline(document: Document) -> str:
    """The report in one line."""
    facts = [
        f"{name.lower()} {value.text}{f' ({change.text})' if change.text else ''}"
        for name, value, change in document.facts
    ]
    return f"{document.title}, {document.subtitle}: {', '.join(facts)}"


def message(report: Report, document: Document) -> dict[str, Any]:
    """What a webhook gets: ``text`` is what chats show, ``report`` holds every number."""
    return {"text": headline(document), "markdown": as_markdown(document), "report": as_data(report)}


def worsened(report: Report) -> Sequence[str]:
    """In words, which patterns became slower; control characters in names are the caller's to mask."""
    slower = [(change.pattern, wording.times(change.ratio)) for change in report.changes.slower]
    return [f"{each.service}: {each.summary} ({each.fingerprint}) {times}" for each, times in slower]
