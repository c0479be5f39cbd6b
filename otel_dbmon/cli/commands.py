"""Takes arguments, runs one of the commands and answers with its exit code."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from otel_dbmon import __version__
from otel_dbmon.cli.advise import advise
from otel_dbmon.cli.deploy import deploy
from otel_dbmon.cli.jsonlines import answer_stdin, as_fields
from otel_dbmon.cli.report import report
from otel_dbmon.cli.screen import grid, plain, show
from otel_dbmon.cli.top import top
from otel_dbmon.cli.verify import verify
from otel_dbmon.settings import load
from otel_dbmon_processors.analysis import analyze as analyze_statement
from otel_dbmon_processors.dialects import DIALECTS, UNKNOWN, dialect_for

_KNOWN_DIALECTS = ", ".join(dialect.name for dialect in DIALECTS if dialect_for(dialect.name) is not UNKNOWN)
_COMPLEXITY_STYLES = {"low": "green", "medium": "yellow", "high": "red"}


def run(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name; a user's mistake is one message and exit code 2, never a traceback."""
    try:
        code = commands.main(args=list(arguments), prog_name="otel-dbmon", standalone_mode=False)
    except click.ClickException as error:
        message = io.StringIO()
        error.show(message)
        # It may repeat what somebody else said: a server, a file.
        sys.stderr.write(str(plain(message.getvalue())))
        return error.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    return code if isinstance(code, int) else 0


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """Database monitoring for Python services on OpenTelemetry.

    A service needs none of these commands. It is started as

    \b
      opentelemetry-instrument python app.py
    """


def _one_statement(context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> str | None:
    if len(words) > 1:
        raise click.UsageError("The statement is one argument: put it in quotes.", context)
    return words[0] if words else None


def _known_dialect(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    if value is not None and dialect_for(value) is UNKNOWN:
        raise click.BadParameter(f"known are {_KNOWN_DIALECTS} and their kin, like mariadb or cockroachdb.")
    return value or ""


@commands.command(
    epilog="""\b
Examples:
  otel-dbmon analyze "SELECT * FROM users WHERE email = 'ann@example.com'"
  otel-dbmon analyze --dialect mysql --json 'SELECT "a literal in MySQL"'
  otel-dbmon analyze - < report.sql
  echo '{"sql": "SELECT 1", "dialect": "postgresql"}' | otel-dbmon analyze"""
)
@click.argument("sql", nargs=-1, metavar="[SQL]", callback=_one_statement)
@click.option(
    "--dialect",
    metavar="NAME",
    callback=_known_dialect,
    help=f"Whose SQL it is: {_KNOWN_DIALECTS}. Without it, whatever may be a literal goes.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer one JSON object.")
def analyze(sql: str | None, dialect: str, as_json: bool) -> None:
    """Show what otel-dbmon makes of a statement.

    SQL is the statement, in quotes, or - to read it from standard input. Without SQL, standard input holds JSON lines
    {"sql": ..., "dialect": ...}, and each is answered with one JSON line, in order.
    """
    if sql is None:
        answer_stdin(dialect)
        return
    statement = sys.stdin.buffer.read().decode("utf-8", "replace") if sql == "-" else sql
    analysis = analyze_statement(statement, dialect)
    if as_json:
        click.echo(json.dumps(as_fields(analysis), indent=2))
        return
    complexity = Text(analysis.complexity, style=_COMPLEXITY_STYLES.get(analysis.complexity, ""))
    show(
        grid(
            [
                ("Sanitized", plain(analysis.sanitized, "bold")),
                ("Summary", analysis.summary),
                ("Operation", analysis.operation or "-"),
                ("Tables", ", ".join(analysis.collections) or "-"),
                ("Type", analysis.query_type),
                ("Complexity", complexity),
                ("Analysis", analysis.explanation),
                ("Fingerprint", analysis.fingerprint),
                ("Dialect", dialect_for(dialect).name if dialect else "not given: whatever may be a literal goes"),
            ]
        )
    )


@commands.command(
    epilog="""\b
Examples:
  otel-dbmon settings
  OTEL_DBMON_SLOW_QUERY_THRESHOLD=250 otel-dbmon settings
  otel-dbmon settings --json"""
)
@click.option("--json", "as_json", is_flag=True, help="Answer a JSON array.")
def settings(as_json: bool) -> None:
    """Show every setting, its value and where that came from."""
    entries = load().entries()
    if as_json:
        click.echo(json.dumps([entry._asdict() for entry in entries], indent=2))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("Setting", "Value", "Source"):
        table.add_column(column, no_wrap=column == "Setting", overflow="fold")
    for entry in entries:
        style = "" if entry.source == "default" else "bold"
        table.add_row(*(plain(cell, style) for cell in (entry.name, entry.value, entry.source)))
    show(table)


@commands.command(
    epilog="""\b
Examples:
  otel-dbmon demo
  otel-dbmon demo --duration 60 --output /tmp/demo
  otel-dbmon demo --serve --port 8080"""
)
@click.option("--serve", is_flag=True, help="Stay up after the report, until Ctrl-C.")
@click.option(
    "--duration", type=click.FloatRange(5, 3600), default=20, show_default=True, metavar="SECONDS", help="Of traffic."
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/demo"),
    show_default=True,
    help="Where report.html, spans.jsonl and metrics.prom go.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Where the shop listens; any free port if not given."
)
def demo(serve: bool, duration: float, output: Path, port: int) -> int:
    """Run a shop for a while and show what was seen.

    The shop is an ordinary web service on SQLite, started under opentelemetry-instrument; not one line of it knows
    OpenTelemetry. Visitors come; a receiver on the loopback address takes what leaves it. Nothing goes anywhere else.
    """
    from otel_dbmon.demo.run import Options, run_demo

    return run_demo(Options(output=output, duration_s=duration, serve=serve, port=port))


commands.add_command(advise)
commands.add_command(deploy)
commands.add_command(report)
commands.add_command(top)
commands.add_command(verify)
