"""Takes a finished report; hands it over as files, by mail or to a webhook, and says who did not take it."""

from __future__ import annotations

import os
import smtplib
import ssl
import tempfile
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

_TIMEOUT_S = 30.0
#: Tries of a webhook, and how the pauses between them grow: 0 s, 2 s, 4 s, 8 s.
_RETRIES, _BACKOFF_S = 4, 1.0
_TEMPORARY = (408, 425, 429, 500, 502, 503, 504)


class DeliveryError(Exception):
    """Somebody did not take the report; the message says who and why, without a password or a webhook's secret path."""


@dataclass(frozen=True)
class MailServer:
    """Who takes mail.

    Attributes:
        host: Its name.
        port: Its port.
        security: ``starttls``, ``tls`` (from the first byte) or ``none``.
        user: Who sends, or "" if the server asks nobody.
        password: Their password.
        ca: The authority of its certificate, as a PEM file; the system's own if None.
    """

    host: str
    port: int
    security: str = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None


def write(path: Path, text: str) -> None:
    """Put a text into a file at once: whoever reads it sees the old one or the new one.

    Raises:
        DeliveryError: That is not possible.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            file.write(text)
        os.chmod(file.name, 0o644 & ~_umask())
        os.replace(file.name, path)
    except OSError as error:
        raise DeliveryError(f"{path}: {error.strerror}") from None


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def compose(sender: str, recipients: Sequence[str], subject: str, markdown: str, page: str) -> EmailMessage:
    """A mail: Markdown to be read at once, the page attached.

    Args:
        sender: Its address.
        recipients: Theirs.
        subject: One line; what would end it is taken out.
        markdown: The report as text.
        page: The report as HTML.
    """
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = " ".join(subject.split())
    mail["Date"] = formatdate()
    # Not the name of this machine, which is nobody's business.
    mail["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].rstrip(">") or "localhost")
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(markdown)
    mail.add_attachment(page.encode(), maintype="text", subtype="html", filename="report.html")
    return mail


def send(mail: EmailMessage, server: MailServer) -> None:
    """Hand a mail to a server.

    Raises:
        DeliveryError: The server did not take it, or not for everybody.
    """
    where = f"{server.host}:{server.port}"
    try:
        with _connected(server) as connection:
            if server.user:
                connection.login(server.user, server.password)
            refused = connection.send_message(mail)
    except ssl.SSLError as error:
        raise DeliveryError(f"mail server {where}: TLS failed ({error.reason})") from None
    except smtplib.SMTPAuthenticationError:
        raise DeliveryError(f"mail server {where}: does not know this user and password") from None
    except smtplib.SMTPNotSupportedError as error:
        raise DeliveryError(f"mail server {where}: {error}") from None
    except smtplib.SMTPRecipientsRefused as error:
        raise DeliveryError(f"mail server {where}: refused {', '.join(error.recipients)}") from None
    except smtplib.SMTPResponseException as error:
        raise DeliveryError(f"mail server {where}: answered {error.smtp_code}") from None
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryError(
            f"mail server {where}: {getattr(error, 'strerror', None) or type(error).__name__}"
        ) from None
    if refused:
        raise DeliveryError(f"mail server {where}: refused {', '.join(refused)}")


def _connected(server: MailServer) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=None if server.ca is None else str(server.ca))
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=_TIMEOUT_S, context=context)
    connection = smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT_S)
    if server.security == "starttls":
        try:
            connection.starttls(context=context)
        except BaseException:
            connection.close()
            raise
    return connection


def post(url: str, message: Mapping[str, Any], backoff_s: float = _BACKOFF_S) -> None:
    """Hand a message to a webhook as JSON; what is temporary is tried again.

    Args:
        url: Where to. Its path is often the secret that lets one in, so it is never told.
        message: What to send.
        backoff_s: Half of the first pause, in seconds.

    Raises:
        DeliveryError: It was not taken.
    """
    where = _without_path(url)
    retry = Retry(
        total=_RETRIES,
        backoff_factor=backoff_s,
        status_forcelist=_TEMPORARY,
        allowed_methods=("POST",),
        raise_on_status=False,
        redirect=0,
    )
    with requests.Session() as session:
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        try:
            # Whoever may read the report is who was named, not whom that one points to.
            answer = session.post(url, json=message, timeout=_TIMEOUT_S, allow_redirects=False)
        except requests.exceptions.SSLError:
            raise DeliveryError(f"webhook {where}: TLS failed") from None
        except requests.exceptions.RequestException as error:
            raise DeliveryError(f"webhook {where}: {_reason(error)}") from None
    if not answer.ok or answer.is_redirect:
        raise DeliveryError(f"webhook {where}: answered {answer.status_code}")


def _without_path(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _reason(error: requests.exceptions.RequestException) -> str:
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    return "no connection" if isinstance(error, requests.exceptions.ConnectionError) else "cannot be used"
