"""Takes a database's address and a workload, and shows the indexes that would pay off."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from otel_dbmon.cli.prometheus_options import Server, prometheus_options, promql_time
from otel_dbmon.cli.screen import plain, show

if TYPE_CHECKING:
    from otel_dbmon.advise.advice import Advice
    from otel_dbmon.advise.asking import Request
    from otel_dbmon.advise.model import Prover
    from otel_dbmon.advise.watch import Publisher

_MISSING_PARSER = 'advise needs sqlglot: pip install "otel-dbmon[advise]"'
#: The exit code of --check where there is something to do.
_ADVICE = 3
_MIN_PAUSE_S = 10
#: What patterns did in a week is no quick question.
_TIMEOUT_S = 30.0


@click.command(
    epilog="""\b
Examples:
  otel-dbmon advise postgresql://dbmon@db.example.com/shop
  DATABASE_URL=postgresql:///shop otel-dbmon advise --format markdown > advice.md
  otel-dbmon advise postgresql:///shop --prometheus http://localhost:9090 --period 7d
  otel-dbmon advise mysql://dbmon@localhost/shop --file statements.sql
  otel-dbmon advise shop.db --file statements.jsonl --format json
  otel-dbmon advise postgresql:///shop --watch 3600

\b
Exit codes: 0 it worked; 1 the database or Prometheus did not answer, or cannot prove anything;
2 the command line was wrong; 3 with --check: there are suggestions.

How it works, and the rights it needs: docs/advise.md"""
)
@click.argument("database", envvar="DATABASE_URL", metavar="DATABASE")
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help='SQL ended by semicolons, or JSON lines {"sql": .., "calls": .., "total_ms": .., "rows": ..}; - reads stdin.',
)
@prometheus_options
@click.option(
    "--period",
    default="1d",
    show_default=True,
    metavar="TIME",
    callback=promql_time,
    help="Over how long, of Prometheus.",
)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many statements are looked at."
)
@click.option(
    "--min-saving",
    type=click.IntRange(1, 99),
    default=50,
    show_default=True,
    metavar="PERCENT",
    help="Of a statement's cost, to be worth an index.",
)
@click.option(
    "--max-per-table", type=click.IntRange(1, 20), default=3, show_default=True, help="Most indexes of a table."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "markdown"]),
    default="table",
    show_default=True,
    help="How advice is shown.",
)
@click.option("--unproven", is_flag=True, help="Go on where nothing can be proven: PostgreSQL without HypoPG.")
@click.option(
    "--explain-with",
    default="",
    metavar="FUNCTION",
    help="PostgreSQL: have queries explained by this function, for a role that may not read (docs/advise.md).",
)
@click.option("--check", is_flag=True, help="Exit with 3 if there are suggestions.")
@click.option(
    "--watch",
    type=click.IntRange(_MIN_PAUSE_S),
    metavar="SECONDS",
    help="Look again and again, and publish how many indexes are suggested as a metric.",
)
@click.option(
    "--publish",
    type=click.Choice(["prometheus", "otlp"]),
    default="prometheus",
    show_default=True,
    help="How --watch publishes; the OTEL_EXPORTER_* variables say where.",
)
@click.option("--service", envvar="OTEL_SERVICE_NAME", default="", help="Whose suggestions --watch publishes.")
def advise(
    database: str,
    files: tuple[Path, ...],
    prometheus: Server | None,
    period: str,
    limit: int,
    min_saving: int,
    max_per_table: int,
    form: str,
    unproven: bool,
    explain_with: str,
    check: bool,
    watch: int | None,
    publish: str,
    service: str,
) -> int:
    """Suggest indexes, and prove that they would pay off.

    DATABASE is a URL (postgresql://, mysql://, mariadb://), a libpq connection string or a SQLite file; DATABASE_URL if
    not given. It is only ever read: nothing is created, no statement of the workload is executed.

    Statements come from --file, or from PostgreSQL's pg_stat_statements. With --prometheus, those that our metrics name
    are taken, with their calls there. PostgreSQL proves each suggestion with HypoPG; SQLite shows that its planner
    would use it; of MySQL and MariaDB you get candidates.
    """
    try:
        from otel_dbmon.advise.asking import Request, ask
        from otel_dbmon.advise.model import AdviceError
        from otel_dbmon.querying.client import Client
        from otel_dbmon.querying.prometheus import Prometheus
    except ModuleNotFoundError as error:
        if error.name != "sqlglot":
            raise
        raise click.UsageError(_MISSING_PARSER) from None
    # It would tell on standard error what it does not understand; the advice says that itself.
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    metrics = None if prometheus is None else Prometheus(prometheus.url, Client(prometheus.access, _TIMEOUT_S))
    request = Request(database, files, metrics, period, limit, min_saving / 100, max_per_table, unproven, explain_with)
    try:
        if watch is not None:
            _watch(request, watch, publish == "otlp", service)
        advice = ask(request, lambda advice, prover: _show(advice, prover, form))
    except AdviceError as error:
        raise click.ClickException(str(error)) from None
    return _ADVICE if check and advice.suggestions else 0


def _show(advice: Advice, prover: Prover, form: str) -> None:
    from otel_dbmon.advise import render

    if form == "table":
        show(render.as_table(advice, prover))
    else:
        click.echo(
            render.as_json(advice, prover) if form == "json" else render.as_markdown(advice, prover), nl=form == "json"
        )


def _watch(request: Request, pause_s: int, by_otlp: bool, service: str) -> NoReturn:
    from otel_dbmon.advise.watch import Publisher

    publisher = Publisher(service or "unknown_service", by_otlp)
    try:
        port = publisher.start()
        if not by_otlp:
            _say("no port is free for the Prometheus endpoint" if port is None else f"metrics on port {port}")
        while True:
            _look(request, publisher)
            time.sleep(pause_s)
    finally:
        publisher.close()


def _look(request: Request, publisher: Publisher) -> None:
    """Look once; a database that is away for a while is told of, and looked at again later."""
    from otel_dbmon.advise.asking import ask
    from otel_dbmon.advise.model import AdviceError

    try:
        advice = ask(request, lambda advice, _: publisher.publish(advice))
    except AdviceError as error:
        _say(str(error))
        return
    _say(f"{len(advice.suggestions)} suggestions for {advice.analysed} statements")


def _say(text: str) -> None:
    click.echo(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {plain(text)}", err=True)
