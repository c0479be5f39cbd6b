"""Takes everything a report says; answers with the document: what stands on top, and the sections below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from otel_dbmon.querying.promql import duration
from otel_dbmon.report import wording
from otel_dbmon.report.document import Cell, Document
from otel_dbmon.report.model import Amount, Report, over
from otel_dbmon.report.sections import errors, indexes, n_plus_one, patterns, pools, services, tables, worse
from otel_dbmon.report.sections.context import Context

_SECTIONS = (worse, services, patterns, tables, errors, pools, n_plus_one, indexes)


def tell(report: Report) -> Document:
    """The whole document."""
    context, period = Context(report), report.period
    return Document(
        "Database report",
        _subtitle(report),
        tuple(_facts(report)),
        tuple(_notes(report)),
        tuple(each.section(context) for each in _SECTIONS),
        f"From {report.source}; made on {wording.moment(report.made_at)} by otel-dbmon.",
        "" if period is None else _exactly(period.end),
        "" if period is None or not report.has_before else _exactly(period.start),
    )


def _exactly(at: float) -> str:
    """A moment as a person reads it and as Prometheus's API takes it."""
    return f"{wording.moment(at)} (time={at:.0f})"


def _subtitle(report: Report) -> str:
    whose, period = ", ".join(report.services_asked) or "all services", report.period
    if period is None:
        return f"One scrape, {whose}: everything since the service started"
    length = duration(period.length_s)
    compared = f"; compared with the {length} before" if report.has_before else ""
    return f"{wording.moment(period.start)} to {wording.moment(period.end)} ({length}), {whose}{compared}"


def _notes(report: Report) -> Iterator[str]:
    if not report.services:
        yield (
            "There is not a single statement in this time. Is the service instrumented, is it scraped, and is its name "
            "right? `otel-dbmon verify` finds out."
        )
    if report.period is None:
        yield "A scrape has no period: nothing can be compared, and nothing be foretold."
    elif report.services and not report.has_before:
        yield (
            f"Prometheus knows {wording.share(report.covered_before)} of the period before, which is too little to "
            "compare with."
        )
    elif report.services and report.covered_before < 1:
        yield (
            f"Prometheus knows {wording.share(report.covered_before)} of the period before: growth of counts is "
            "overstated by that much."
        )


def _facts(report: Report) -> Iterator[tuple[str, Cell, Cell]]:
    statements = _sum([each.statements for each in report.services])
    seconds = _sum([each.seconds for each in report.services])
    errors, slow = _sum([each.errors for each in report.services]), _sum([each.slow for each in report.services])
    mean = over(seconds, statements)
    yield "Statements", Cell(wording.count(statements.now)), wording.change(statements, None)
    yield "Mean duration", Cell(wording.seconds(mean.now)), wording.change(mean)
    yield "Time in databases", Cell(wording.seconds(seconds.now)), wording.change(seconds, None)
    yield "Errors", Cell(wording.count(errors.now)), wording.change(errors)
    yield (
        "Errors a statement",
        Cell(wording.share(over(errors, statements).now)),
        wording.change(over(errors, statements)),
    )
    yield "Slow statements", Cell(wording.count(slow.now)), wording.change(slow)
    if report.period is not None and report.has_before:
        slower = len(report.changes.slower)
        yield "Patterns that got slower", Cell(str(slower), "worse" if slower else "better"), Cell("")


def _sum(amounts: Sequence[Amount]) -> Amount:
    before = [amount.before for amount in amounts if amount.before is not None]
    return Amount(sum(amount.now or 0.0 for amount in amounts), sum(before) if before else None)
