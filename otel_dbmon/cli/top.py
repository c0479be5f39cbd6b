"""Takes the address of an endpoint or of a Prometheus, and shows what services ask their databases, live."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from otel_dbmon.cli.prometheus_options import Server as ServerOptions
from otel_dbmon.cli.prometheus_options import prometheus_options, promql_time
from otel_dbmon.top.columns import SORTINGS

if TYPE_CHECKING:
    from otel_dbmon.top.source import Source

_MISSING = 'top needs textual: pip install "otel-dbmon[top]"; --once works without'
_DEFAULT = ("localhost:9464-9471",)
#: Whoever waits in front of a screen wants to know soon that nobody answers.
_TIMEOUT_S = 3.0


def _addresses(_context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> list[str]:
    from otel_dbmon.top.addresses import addresses_of

    found: list[str] = []
    for word in words:
        try:
            found += addresses_of(word)
        except ValueError as error:
            raise click.BadParameter(
                f"'{word}': {error}. Expected something like 9464, shop:9464-9467 or https://shop/metrics."
            ) from None
    return list(dict.fromkeys(found))


@click.command(
    epilog="""\b
Examples:
  otel-dbmon top
  otel-dbmon top localhost:9464-9467
  otel-dbmon top https://shop.example.com/metrics --interval 5
  otel-dbmon top --prometheus http://localhost:9090 --window 5m --service user-svc
  otel-dbmon top --prometheus http://localhost:9090 --file statements.sql
  otel-dbmon top --once --sort p95
  otel-dbmon top --json | jq '.queries[0]'

\b
Keys: t c m p e sort by time, calls, mean, p95, errors; r reverses; / filters; space holds still;
enter shows all about a query, esc leads back; ? explains; q quits. The mouse works as well.

\b
Exit codes: 0 it worked; 1 with --once: nobody answered; 2 the command line was wrong.

What is shown and where it comes from: docs/top.md"""
)
@click.argument("endpoints", nargs=-1, metavar="[ENDPOINT]...", callback=_addresses)
@prometheus_options
@click.option(
    "--window",
    default="1m",
    show_default=True,
    metavar="TIME",
    callback=promql_time,
    help="Over how long Prometheus's rates are; at least four times its scrape interval.",
)
@click.option("--service", default="", metavar="NAME", help="Whose queries Prometheus is asked about.")
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Statements, for those whose text Prometheus does not know: SQL, or JSON lines.",
)
@click.option(
    "--interval",
    type=click.FloatRange(0.2, 3600),
    metavar="SECONDS",
    help="Between two looks; 2 if not given, and 5 for Prometheus.",
)
@click.option("--sort", type=click.Choice(list(SORTINGS)), default="time", show_default=True, help="What comes first.")
@click.option("--filter", "containing", default="", metavar="TEXT", help="Only what contains this text.")
@click.option("--once", is_flag=True, help="Print one look as a table, and end; so it is where there is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print one look as JSON, and end.")
def top(
    endpoints: list[str],
    prometheus: ServerOptions | None,
    window: str,
    service: str,
    files: tuple[Path, ...],
    interval: float | None,
    sort: str,
    containing: str,
    once: bool,
    as_json: bool,
) -> None:
    """Watch what services ask their databases, live.

    ENDPOINT is where a service that runs under opentelemetry-instrument serves its metrics: a port, a host, both, or an
    address; a range of ports for forked workers. If not given, it is localhost:9464-9471. With --prometheus, it is
    everybody whom that server knows.
    """
    if prometheus is not None and endpoints:
        raise click.UsageError("Either endpoints or --prometheus: a screen has one source.")
    if prometheus is None and (files or service):
        raise click.UsageError("--file and --service go with --prometheus; an endpoint knows its own.")
    source = _source(endpoints, prometheus, window, service, files)
    seconds = interval or (2.0 if prometheus is None else 5.0)
    if once or as_json or not _is_screen():
        _print_once(source, seconds if prometheus is None else 0.0, sort, containing, as_json)
        return
    try:
        from otel_dbmon.top.app import Top
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        raise click.UsageError(_MISSING) from None
    Top(source, seconds, sort, containing).run()


def _is_screen() -> bool:
    is_terminal = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    return is_terminal and os.environ.get("TERM", "dumb") != "dumb"


def _source(
    endpoints: list[str],
    prometheus: ServerOptions | None,
    window: str,
    service: str,
    files: tuple[Path, ...],
) -> Source:
    from otel_dbmon.querying.client import Client

    if prometheus is None:
        from otel_dbmon.top.addresses import addresses_of
        from otel_dbmon.top.endpoint import Endpoints

        addresses = endpoints or [address for word in _DEFAULT for address in addresses_of(word)]
        return Endpoints(addresses, Client(timeout_s=_TIMEOUT_S))
    from otel_dbmon.querying.prometheus import Prometheus
    from otel_dbmon.top.server import Server

    asked = Prometheus(prometheus.url, Client(prometheus.access))
    return Server(asked, window, service, _texts(files))


def _texts(files: tuple[Path, ...]) -> list[str]:
    if not files:
        return []
    import logging

    from otel_dbmon.advise.model import AdviceError
    from otel_dbmon.advise.sources import from_file, read_text

    # It would tell on standard error what it does not understand.
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    try:
        return [found.text for path in files for found in from_file(str(path), read_text(path), "")]
    except AdviceError as error:
        raise click.ClickException(str(error)) from None


def _print_once(source: Source, period_s: float, sort: str, containing: str, as_json: bool) -> None:
    from otel_dbmon.querying.client import UnansweredError
    from otel_dbmon.top.columns import ordered
    from otel_dbmon.top.once import as_json as to_json
    from otel_dbmon.top.once import print_table

    try:
        reading = source.read()
        if period_s:
            time.sleep(period_s)
            reading = source.read()
    except UnansweredError as error:
        raise click.ClickException(str(error)) from None
    queries = ordered(reading.queries, sort, containing=containing)
    if as_json:
        click.echo(to_json(reading, source.name, queries))
    else:
        print_table(reading, source.name, queries)
