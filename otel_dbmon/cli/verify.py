"""The command ``otel-dbmon verify``: takes what is to be verified, shows check by check, answers by its exit code."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from otel_dbmon.cli.deploy import needs_extra


@click.command(
    epilog="""\b
Examples:
  otel-dbmon verify --deployment stack
  otel-dbmon verify --deployment stack --evidence evidence --json
  otel-dbmon verify --python /srv/user-svc/.venv/bin/python --env-file /srv/user-svc/.env
  otel-dbmon verify --only versions --only sanitizing
  otel-dbmon verify --list"""
)
@click.option(
    "--deployment",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="What `otel-dbmon deploy` laid out: its secrets, and the addresses of its stack on this machine.",
)
@click.option("--service", default="", metavar="NAME", help="A service whose statements have to be in Prometheus.")
@click.option(
    "--python", default=sys.executable, metavar="PATH", help="The interpreter that runs the service, if not this one."
)
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The service's environment, on top of this one.",
)
@click.option("--otlp", default="", metavar="URL", help="Where OTLP goes over HTTP.")
@click.option("--otlp-grpc", default="", metavar="URL", help="Where OTLP is taken over gRPC.")
@click.option("--gateway", default="", metavar="URL", help="Where Prometheus scrapes the gateway.")
@click.option("--prometheus", default="", metavar="URL", help="Prometheus.")
@click.option("--alertmanager", default="", metavar="URL", help="Alertmanager.")
@click.option("--grafana", default="", metavar="URL", help="Grafana.")
@click.option(
    "--secrets", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help="Certificates and passwords."
)
@click.option("--only", "checks", multiple=True, metavar="CHECK", help="Run these checks, by name or its beginning.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, 3600),
    default=90,
    show_default=True,
    metavar="SECONDS",
    help="How long data may take to Prometheus.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer one JSON object.")
@click.option(
    "--evidence",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write evidence.json and evidence.md there.",
)
@click.option("--list", "is_list", is_flag=True, help="Show what is checked.")
def verify(
    deployment: Path | None,
    service: str,
    python: str,
    env_file: Path | None,
    otlp: str,
    otlp_grpc: str,
    gateway: str,
    prometheus: str,
    alertmanager: str,
    grafana: str,
    secrets: Path | None,
    checks: tuple[str, ...],
    timeout: float,
    as_json: bool,
    evidence: Path | None,
    is_list: bool,
) -> int:
    """Prove that a service, or a whole deployment, works.

    Looks at what is installed and set, runs a statement and follows it to Prometheus, and knocks at every listener as a
    stranger. The exit code is 1 if a check failed; each says what to do.
    """
    with needs_extra():
        from otel_dbmon.verify import command
    if is_list:
        return command.list_checks()
    addresses = {
        "otlp": otlp,
        "otlp_grpc": otlp_grpc,
        "gateway": gateway,
        "prometheus": prometheus,
        "alertmanager": alertmanager,
        "grafana": grafana,
    }
    wanted = command.Wanted(deployment, service, python, env_file, addresses, secrets, checks, timeout)
    return command.verify(wanted, as_json, evidence)
