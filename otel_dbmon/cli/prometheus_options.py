"""The options by which a command is told of a Prometheus, its certificates and passwords, and of times."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

if TYPE_CHECKING:
    from otel_dbmon.querying.access import Access

_Command = TypeVar("_Command", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OPTIONS = (
    click.option("--prometheus", "url", metavar="URL", help="Where Prometheus has our metrics."),
    click.option(
        "--secrets",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        metavar="FOLDER",
        help="Certificates and the operator's password, as `otel-dbmon deploy` makes them.",
    ),
    click.option("--user", metavar="NAME", default="", help="Who asks Prometheus; or user:password@ in its address."),
    click.option("--password-file", type=_FILE, metavar="FILE", help="Holds that user's password."),
    click.option("--ca", type=_FILE, metavar="FILE", help="The authority of Prometheus's certificate, in PEM."),
    click.option("--cert", type=_FILE, metavar="FILE", help="The certificate to show to Prometheus, in PEM."),
    click.option("--key", type=_FILE, metavar="FILE", help="The key of that certificate, if its file lacks it."),
)


class Server(NamedTuple):
    """A Prometheus that a person named.

    Attributes:
        url: Its address, without user and password.
        access: What it wants to see.
    """

    url: str
    access: Access


def promql_time(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """A callback of click for times as PromQL writes them."""
    from otel_dbmon.querying.promql import seconds_in

    try:
        seconds_in(value)
    except ValueError:
        raise click.BadParameter("expected a time as PromQL writes it, like 30s, 30m, 1d or 1w.") from None
    return value


def prometheus_options(command: _Command) -> _Command:
    """Give a command these options; it gets ``prometheus``, a `Server`, or None where none was named."""

    @functools.wraps(command)
    def with_server(*arguments: Any, **options: Any) -> Any:
        names = ("url", "secrets", "user", "password_file", "ca", "cert", "key")
        return command(*arguments, prometheus=_server(*(options.pop(name) for name in names)), **options)

    for option in reversed(_OPTIONS):
        with_server = option(with_server)
    return with_server  # type: ignore[return-value]


def _server(
    url: str | None,
    secrets: Path | None,
    user: str,
    password_file: Path | None,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
) -> Server | None:
    from otel_dbmon.querying.access import NONE, of_folder, read_password, split_address

    if url is None:
        return None
    try:
        bare, url_user, url_password = split_address(url)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--prometheus") from None
    try:
        access = NONE if secrets is None else of_folder(secrets)
        password = url_password if password_file is None else read_password(password_file)
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}") from None
    if user or url_user:
        access = replace(access, user=user or url_user, password=password, is_for_tls=False)
    certificate, key = (certificate, key) if certificate else (access.certificate, access.key)
    return Server(bare, replace(access, ca=ca or access.ca, certificate=certificate, key=key))
