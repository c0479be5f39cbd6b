"""Takes a Prometheus or a scrape, and a period; writes, mails or posts a report."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from otel_dbmon.cli.prometheus_options import Server, prometheus_options
from otel_dbmon.cli.screen import plain, progress

if TYPE_CHECKING:
    from otel_dbmon.report.document import Document
    from otel_dbmon.report.model import Report

_MISSING = 'report needs Jinja2 and pygal: pip install "otel-dbmon[report]"'
#: The exit code of --check where something became slower.
_WORSE = 3
_INPUT = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUTPUT = click.Path(dir_okay=False, allow_dash=True, path_type=Path)
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


class _Targets(NamedTuple):
    """Where the report goes, besides standard output."""

    html: Path | None
    markdown: Path | None
    json: Path | None
    mail_to: tuple[str, ...]
    mail_from: str
    smtp: str
    smtp_security: str
    smtp_user: str
    smtp_password_file: Path | None
    smtp_ca: Path | None
    webhook: str | None
    webhook_file: Path | None


def _length(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    from otel_dbmon.report.period import parse_length

    try:
        return parse_length(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


def _moment(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float:
    from otel_dbmon.report.period import parse_end

    try:
        return parse_end(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


@click.command(
    epilog="""\b
Examples:
  otel-dbmon report --prometheus http://localhost:9090 --html report.html
  otel-dbmon report --prometheus https://prometheus:9090 --secrets stack/secrets --period 7d --html week.html
  otel-dbmon report --prometheus http://localhost:9090 --service shop --end 2026-03-01 --markdown -
  otel-dbmon report --scrape build/demo/metrics.prom --spans build/demo/spans.jsonl --html report.html
  otel-dbmon report --prometheus http://localhost:9090 --mail-to dba@example.com --mail-from dbmon@example.com \\
    --smtp mail.example.com --smtp-user dbmon --smtp-password-file smtp.password

\b
Exit codes: 0 it worked; 1 Prometheus did not answer, a file could not be read, or somebody did not take the report;
2 the command line was wrong; 3 with --check: a query pattern became slower.

What each number means, and how to have it every morning: docs/report.md"""
)
@prometheus_options
@click.option(
    "--scrape", type=_INPUT, metavar="FILE", help="A page as a service's endpoint gives it, without Prometheus."
)
@click.option(
    "--period", "length", default="1d", show_default=True, metavar="TIME", callback=_length, help="12h, 1d, 7d, 4w .."
)
@click.option("--end", metavar="MOMENT", callback=_moment, help="When the period ends, in UTC (ISO 8601); now.")
@click.option("--service", "services", multiple=True, metavar="NAME", help="Only of this service; can be repeated.")
@click.option("--spans", type=_INPUT, metavar="FILE", help="Spans (OTLP JSON lines) that name lines of code.")
@click.option("--advice", type=_INPUT, metavar="FILE", help="What `otel-dbmon advise --format json` answered.")
@click.option("--html", type=_OUTPUT, metavar="FILE", help="Write a page; - for standard output.")
@click.option(
    "--markdown", type=_OUTPUT, metavar="FILE", help="Write Markdown; this, to standard output, if nothing else."
)
@click.option("--json", type=_OUTPUT, metavar="FILE", help="Write every number.")
@click.option("--mail-to", multiple=True, metavar="ADDRESS", help="Mail it, with the page attached; can be repeated.")
@click.option("--mail-from", default="", metavar="ADDRESS", help="Who mails it.")
@click.option("--smtp", default="localhost", show_default=True, metavar="HOST[:PORT]", help="Who takes the mail.")
@click.option(
    "--smtp-security",
    type=click.Choice(list(_PORTS)),
    default="starttls",
    show_default=True,
    help="How the way there is locked.",
)
@click.option("--smtp-user", default="", metavar="NAME", help="Who logs in there.")
@click.option("--smtp-password-file", type=_INPUT, metavar="FILE", help="Holds that user's password.")
@click.option("--smtp-ca", type=_INPUT, metavar="FILE", help="The authority of the mail server's certificate, in PEM.")
@click.option("--webhook", metavar="URL", help="Post it as JSON: text, markdown and every number.")
@click.option("--webhook-file", type=_INPUT, metavar="FILE", help="Holds the webhook's address, if that is a secret.")
@click.option("--check", is_flag=True, help="Exit with 3 if a query pattern became slower.")
def report(
    prometheus: Server | None,
    scrape: Path | None,
    length: int,
    end: float,
    services: tuple[str, ...],
    spans: Path | None,
    advice: Path | None,
    check: bool,
    **targets: object,
) -> int:
    """Report on a period, compared with the one before.

    Trends by service, slow query patterns, top tables, errors, pools and how long they last, N+1 patterns, index
    advice, and what changed for the worse beyond chance. Every number comes with the PromQL that gives it. The page
    needs nothing else: no script, no request to anywhere.
    """
    try:
        from otel_dbmon.report.make import NoReportError, Source, make, worsened
        from otel_dbmon.report.period import Period
        from otel_dbmon.report.telling import tell
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("jinja2", "markupsafe", "pygal", "requests"):
            raise
        raise click.UsageError(_MISSING) from None
    from otel_dbmon.querying.access import NONE

    where = _Targets(**targets)  # type: ignore[arg-type]
    if (prometheus is None) == (scrape is None):
        raise click.UsageError("Say where the metrics are: --prometheus URL, or --scrape FILE.")
    if where.mail_to and not where.mail_from:
        raise click.UsageError("--mail-to needs --mail-from: who mails it.")
    url, access = (None, NONE) if prometheus is None else prometheus
    try:
        with progress("Asking for a report") as note:
            found = make(Source(url, access, scrape, Period(end, length), services, spans, advice), note)
    except NoReportError as error:
        raise click.ClickException(str(error)) from None
    failures = _deliver(found, tell(found), where)
    for failure in failures:
        click.echo(f"Error: {plain(failure)}", err=True)
    if failures:
        return 1
    if check and found.changes.slower:
        for line in worsened(found):
            click.echo(str(plain(line)), err=True)
        return _WORSE
    return 0


def _deliver(report: Report, document: Document, where: _Targets) -> list[str]:
    """Hand it to everybody; one who does not take it keeps nobody else from it. Answers who did not, and why."""
    from otel_dbmon.report.delivery import DeliveryError

    failures = []
    for step in (_write, _mail, _post):
        try:
            step(report, document, where)
        except DeliveryError as error:
            failures.append(str(error))
    return failures


def _write(report: Report, document: Document, where: _Targets) -> None:
    from otel_dbmon.report.as_json import as_json
    from otel_dbmon.report.delivery import write
    from otel_dbmon.report.html import as_html
    from otel_dbmon.report.markdown import as_markdown

    forms: tuple[tuple[Path | None, Callable[[], str]], ...] = (
        (where.html, lambda: as_html(document)),
        (where.markdown, lambda: as_markdown(document)),
        (where.json, lambda: as_json(report)),
    )
    if not any((where.html, where.markdown, where.json, where.mail_to, where.webhook, where.webhook_file)):
        sys.stdout.write(as_markdown(document))
    for path, form in forms:
        if path is not None and str(path) == "-":
            sys.stdout.write(form())
        elif path is not None:
            write(path, form())
            click.echo(f"Wrote {plain(str(path))}", err=True)


def _mail(_report: Report, document: Document, where: _Targets) -> None:
    from otel_dbmon.report.delivery import DeliveryError, MailServer, compose, send
    from otel_dbmon.report.html import as_html
    from otel_dbmon.report.markdown import as_markdown

    if not where.mail_to:
        return
    host, _, port = where.smtp.partition(":")
    try:
        number = int(port or _PORTS[where.smtp_security])
        password = _secret(where.smtp_password_file)
        server = MailServer(host, number, where.smtp_security, where.smtp_user, password, where.smtp_ca)
        subject = f"{document.title}: {document.subtitle}"
        mail = compose(where.mail_from, where.mail_to, subject, as_markdown(document), as_html(document))
    except (OSError, ValueError) as error:
        raise DeliveryError(f"mail: {getattr(error, 'strerror', None) or 'an address or a port is none'}") from None
    send(mail, server)
    click.echo(f"Mailed to {plain(', '.join(where.mail_to))}", err=True)


def _post(report: Report, document: Document, where: _Targets) -> None:
    from otel_dbmon.report.delivery import DeliveryError, post
    from otel_dbmon.report.make import message

    try:
        url = where.webhook or _secret(where.webhook_file)
    except OSError as error:
        raise DeliveryError(f"webhook: {error.strerror}") from None
    if url:
        post(url, message(report, document))
        click.echo("Posted to the webhook", err=True)


def _secret(path: Path | None) -> str:
    from otel_dbmon.querying.access import read_password

    return "" if path is None else read_password(path)
