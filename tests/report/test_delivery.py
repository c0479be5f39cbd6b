"""A report arrives: in a file at once, at a mail server that wants TLS and a password, at a webhook that stumbles."""

from __future__ import annotations

import http.server
import json
import ssl
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from launching import free_port
from test_report_command import PAGE

from otel_dbmon.command import main
from otel_dbmon.deploy.credentials import create_secrets
from otel_dbmon.report.delivery import DeliveryError, MailServer, compose, post, send, write

#: aiosmtpd does not count TLS from the first byte.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
USER, PASSWORD = "dbmon", "correct horse"


def test_a_file_is_replaced_at_once(tmp_path: Path) -> None:
    """Folders are made, others may read it, and nothing else is left behind."""
    path = tmp_path / "reports" / "report.html"
    for text in ("one", "two ünd three"):
        write(path, text)
    assert path.read_text(encoding="utf-8") == "two ünd three"
    assert stat.S_IMODE(path.stat().st_mode) & 0o444 == 0o444
    assert [each.name for each in path.parent.iterdir()] == ["report.html"]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """With its name."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DeliveryError, match=r"report\.html: "):
        write(tmp_path / "file" / "report.html", "")


class Mailbox:
    """What a mail server does with mail: keeps it, unless it is for nobody here."""

    def __init__(self) -> None:
        self.kept: list[Envelope] = []

    # aiosmtpd looks for these names.
    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any) -> str:  # noqa: N802
        """Whether somebody of that name is here."""
        if address.startswith("nobody"):
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        """Keep it."""
        self.kept.append(envelope)
        return "250 kept"


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates for listeners of this machine."""
    folder = tmp_path_factory.mktemp("secrets")
    create_secrets(folder)
    return folder


def listen(secrets: Path, mailbox: Mailbox, tls: bool) -> Controller:
    """A mail server that takes nothing without TLS and a password."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(secrets / "alertmanager.pem", secrets / "alertmanager.key")

    def know(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        known = LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=data == known, handled=False)

    locks: dict[str, Any] = {"ssl_context": context} if tls else {"tls_context": context, "require_starttls": True}
    return Controller(
        mailbox,
        hostname="127.0.0.1",
        port=free_port(),
        authenticator=know,
        auth_required=True,
        auth_require_tls=not tls,
        **locks,
    )


@pytest.fixture(params=["starttls", "tls"])
def mail(request: pytest.FixtureRequest, secrets: Path) -> Iterator[tuple[MailServer, Mailbox]]:
    """A mail server, and what it has got."""
    mailbox = Mailbox()
    controller = listen(secrets, mailbox, request.param == "tls")
    controller.start()
    try:
        yield (
            MailServer("localhost", controller.port, request.param, USER, PASSWORD, secrets / "ca.pem"),
            mailbox,
        )
    finally:
        controller.stop()


def test_a_mail_arrives(mail: tuple[MailServer, Mailbox]) -> None:
    """Markdown to be read at once, the page attached, a subject of one line."""
    server, mailbox = mail
    send(compose("dbmon@example.com", ["a@example.com", "b@example.com"], "Re\nport", "# Täble", "<p>ü</p>"), server)
    (kept,) = mailbox.kept
    assert kept.rcpt_tos == ["a@example.com", "b@example.com"]
    text = bytes(kept.content or b"").decode()
    assert "Subject: Re port\r\n" in text
    assert 'filename="report.html"' in text
    assert "@example.com>" in next(line for line in text.splitlines() if line.startswith("Message-ID"))


def test_whoever_takes_no_mail_is_named(mail: tuple[MailServer, Mailbox]) -> None:
    """A wrong password, an unknown authority, an unknown recipient; never the password itself."""
    server, mailbox = mail
    good = compose("dbmon@example.com", ["a@example.com"], "s", "m", "p")
    lost = compose("dbmon@example.com", ["nobody@example.com"], "s", "m", "p")
    wrong = MailServer(server.host, server.port, server.security, USER, "not that one", server.ca)
    stranger = MailServer(server.host, server.port, server.security, USER, PASSWORD)
    for message, where, reason in (
        (good, wrong, "does not know this user and password"),
        (good, stranger, "TLS failed"),
        (lost, server, "refused nobody@example.com"),
    ):
        with pytest.raises(DeliveryError, match=reason) as caught:
            send(message, where)
        assert PASSWORD not in str(caught.value)
        assert "not that one" not in str(caught.value)
    assert mailbox.kept == []
    assert PASSWORD not in repr(server)


def test_a_mail_server_that_is_away_is_named() -> None:
    """With its address."""
    with pytest.raises(DeliveryError, match=r"mail server 127\.0\.0\.1:1: Connection refused"):
        send(compose("a@example.com", ["b@example.com"], "s", "m", "p"), MailServer("127.0.0.1", 1))


class Webhook(http.server.BaseHTTPRequestHandler):
    """Answers as it was told to, and keeps what it got."""

    answers: list[int]
    got: list[dict[str, Any]]

    def do_POST(self) -> None:
        """Keep the message."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).got.append(body)
        status = type(self).answers.pop(0)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def webhook() -> Iterator[tuple[str, type[Webhook]]]:
    """Its address, and it."""
    handler = type("Handler", (Webhook,), {"answers": [], "got": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/services/s3cret", handler
        server.shutdown()


def test_a_webhook_that_stumbles_is_asked_again(webhook: tuple[str, type[Webhook]]) -> None:
    """As long as what it answers is temporary."""
    url, handler = webhook
    handler.answers += [503, 429, 200]
    post(url, {"text": "ü"}, backoff_s=0.01)
    assert handler.got == [{"text": "ü"}] * 3


@pytest.mark.parametrize(("answers", "said"), [([404], "404"), ([302], "302"), ([500] * 5, "500")])
def test_a_webhook_that_refuses_is_named(webhook: tuple[str, type[Webhook]], answers: list[int], said: str) -> None:
    """Without the part of its address that lets one in, and without following it elsewhere."""
    url, handler = webhook
    handler.answers += answers
    with pytest.raises(DeliveryError, match=said) as caught:
        post(url, {}, backoff_s=0.01)
    assert "s3cret" not in str(caught.value)
    assert len(handler.got) == len(answers)


def test_a_webhook_that_is_away_is_named() -> None:
    """Without the secret part of its address."""
    with pytest.raises(DeliveryError, match=r"webhook http://127\.0\.0\.1:1: no connection") as caught:
        post("http://user:pw@127.0.0.1:1/s3cret", {}, backoff_s=0.01)
    assert "s3cret" not in str(caught.value)
    assert "pw" not in str(caught.value)


def test_the_command_mails_and_posts(
    mail: tuple[MailServer, Mailbox],
    webhook: tuple[str, type[Webhook]],
    secrets: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With passwords and the webhook's address out of files; who gets it is said, the secret part is not."""
    (server, mailbox), (url, handler) = mail, webhook
    handler.answers.append(200)
    for name, text in (("smtp.password", PASSWORD), ("webhook.url", url), ("metrics.prom", PAGE)):
        (tmp_path / name).write_text(text + "\n")
    to = ["--mail-to", "a@example.com", "--mail-from", "dbmon@example.com", "--smtp", f"localhost:{server.port}"]
    to += ["--smtp-user", USER, "--smtp-password-file", str(tmp_path / "smtp.password")]
    to += ["--smtp-security", server.security, "--smtp-ca", str(secrets / "ca.pem")]
    to += ["--webhook-file", str(tmp_path / "webhook.url")]
    assert main(["report", "--scrape", str(tmp_path / "metrics.prom"), *to]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "Mailed to a@example.com" in said.err
    assert "s3cret" not in said.err
    assert len(mailbox.kept) == 1
    (message,) = handler.got
    assert message["text"].startswith("Database report, One scrape, all services")
    assert message["markdown"].startswith("# Database report")
    assert message["report"]["services"][0]["statements"] == {"now": 100.0, "before": None}
