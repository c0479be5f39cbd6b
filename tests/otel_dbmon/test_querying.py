"""A Prometheus is asked with what it wants to see, and nobody is shown what is not for them."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from prometheus_server import backfill, running

from otel_dbmon.cli.prometheus_options import Server, prometheus_options
from otel_dbmon.command import main
from otel_dbmon.deploy.credentials import create_secrets
from otel_dbmon.querying.access import NONE, Access, of_folder, split_address
from otel_dbmon.querying.client import Client, UnansweredError
from otel_dbmon.querying.prometheus import Prometheus
from otel_dbmon.querying.promql import duration, seconds_in

#: Two points of a series, one minute apart.
PAGE = '# TYPE visits counter\nvisits_total{page="a"} 1 1700000000\nvisits_total{page="a"} 7 1700000060\n# EOF\n'


@click.command()
@prometheus_options
def ask(prometheus: Server | None) -> None:
    """Say what a Prometheus has of the visits, or that none is named."""
    if prometheus is None:
        click.echo("none")
        return
    with Client(prometheus.access) as client:
        click.echo(Prometheus(prometheus.url, client).instant("visits_total", 1700000060)[0].value)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificates and passwords of a deployment."""
    folder = tmp_path_factory.mktemp("secrets")
    create_secrets(folder)
    return folder


@pytest.fixture(scope="module")
def secured(secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus as it is deployed: with TLS, certificates of its callers, and their passwords."""
    folder = tmp_path_factory.mktemp("prometheus")
    backfill(PAGE, folder)
    access = of_folder(secrets)
    known = {"verify": str(access.ca), "cert": (access.certificate, access.key), "auth": (access.user, access.password)}
    web = f"--web.config.file={secrets / 'web' / 'prometheus.yml'}"
    with running(folder, web, scheme="https", ask=known) as url:
        yield url


def test_a_deployments_operator_is_let_in(secured: str, secrets: Path) -> None:
    """With nothing but the folder of secrets."""
    done = CliRunner().invoke(ask, ["--prometheus", secured, "--secrets", str(secrets)])
    assert (done.output, done.exit_code) == ("7.0\n", 0)


def test_each_part_can_be_named_by_itself(secured: str, secrets: Path, tmp_path: Path) -> None:
    """For a Prometheus that others set up, whose certificate and key may be in one file."""
    both = tmp_path / "both.pem"
    both.write_bytes((secrets / "operator.pem").read_bytes() + (secrets / "operator.key").read_bytes())
    options = ["--prometheus", f"{secured}/", "--ca", str(secrets / "ca.pem"), "--cert", str(both)]
    options += ["--user", "operator", "--password-file", str(secrets / "operator.password")]
    done = CliRunner().invoke(ask, options)
    assert (done.output, done.exit_code) == ("7.0\n", 0)


def test_what_is_said_of_a_refusal(secured: str, secrets: Path) -> None:
    """Which address, and why; never a password."""
    access = of_folder(secrets)
    wrong = Access("operator", "not-the-password", access.ca, access.certificate, access.key)
    with Client(wrong) as client, pytest.raises(UnansweredError, match="answered 401") as refused:
        Prometheus(secured, client).instant("up")
    assert "not-the-password" not in str(refused.value)
    with Client() as client, pytest.raises(UnansweredError, match=r"TLS failed .CERTIFICATE_VERIFY_FAILED"):
        Prometheus(secured, client).instant("up")
    with Client(access) as client, pytest.raises(UnansweredError, match=r"answered 400 .*parse error"):
        Prometheus(secured, client).instant("up{")


def test_points_and_scalars(secured: str, secrets: Path) -> None:
    """A range gives points with their times; a scalar has no labels."""
    with Client(of_folder(secrets)) as client:
        prometheus = Prometheus(secured, client)
        (series,) = prometheus.range("visits_total", 1700000000, 1700000060, 60)
        assert series.labels["page"] == "a"
        assert series.points == ((1700000000, 1), (1700000060, 7))
        assert prometheus.instant("scalar(vector(3))") == [({}, 3.0)]


class Listener(http.server.BaseHTTPRequestHandler):
    """Answers what is no answer of Prometheus, or with a complaint, and keeps what it was shown."""

    shown: list[str | None]
    complaint = ""

    def do_GET(self) -> None:
        """Answer one request."""
        self.shown.append(self.headers["Authorization"])
        found = {"data": {"result": [{"metric": {}}], "resultType": "vector"}}
        body = json.dumps({"error": self.complaint} if self.complaint else found).encode()
        self.send_response(400 if self.complaint else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of somebody without TLS."""
    monkeypatch.setattr(Listener, "shown", [], raising=False)
    with http.server.HTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_deployments_password_goes_nowhere_without_tls(listener: str, secrets: Path) -> None:
    """Somebody else may listen there; a password that a person gave for this very address does go."""
    CliRunner().invoke(ask, ["--prometheus", listener, "--secrets", str(secrets)])
    CliRunner().invoke(ask, ["--prometheus", listener.replace("//", "//ann:pass%40word@")])
    assert Listener.shown == [None, "Basic YW5uOnBhc3NAd29yZA=="]


def test_an_answer_that_is_none_is_said(listener: str) -> None:
    """What answers need not be a Prometheus."""
    with Client() as client, pytest.raises(UnansweredError, match="none of Prometheus's"):
        Prometheus(listener, client).instant("up")


def test_a_complaint_does_nothing_to_a_terminal(
    listener: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a server says of a question is shown without escape sequences, and with control characters spelled out."""
    monkeypatch.setattr(Listener, "complaint", "\x1b[2J\x07parse error")
    assert main(["top", "--once", "--prometheus", listener]) == 1
    said = capsys.readouterr().err
    assert "\\x07parse error" in said
    assert not {"\x1b", "\x07"} & set(said)


@given(st.integers(0, 10**9))
def test_a_time_is_read_as_it_is_written(seconds: int) -> None:
    """In whatever unit fits; several may follow one another."""
    assert seconds_in(duration(seconds)) == seconds
    assert seconds_in(f"1h{duration(seconds)}") == 3600 + seconds
    with pytest.raises(ValueError, match="no time"):
        seconds_in(f"{duration(seconds)} ago")


def test_mistakes_are_told(tmp_path: Path) -> None:
    """By the option, or by the file."""
    assert "no http:// or https:// address" in CliRunner().invoke(ask, ["--prometheus", "ftp://x"]).output
    done = CliRunner().invoke(ask, ["--prometheus", "https://x", "--secrets", str(tmp_path)])
    assert f"{tmp_path}/operator.password: No such file" in done.output.replace("\n", "")
    assert done.exit_code == 2
    assert CliRunner().invoke(ask, []).output == "none\n"


_WORD = st.text("abc%@:/ü ", min_size=1, max_size=6)


@given(_WORD, _WORD)
def test_an_address_is_taken_apart(user: str, password: str) -> None:
    """Whatever characters a password has; what is shown to people holds none of it."""
    from urllib.parse import quote

    url = f"https://{quote(user, safe='')}:{quote(password, safe='')}@[::1]:9090/prometheus/"
    assert split_address(url) == ("https://[::1]:9090/prometheus", user, password)
    assert repr(Access(user, "pa55")) == repr(Access(user, "other"))
    assert NONE.user == ""
