"""Takes what a person has of certificates and passwords, and answers with what listeners ask for."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

#: Who may look at everything in the stack of ``otel-dbmon deploy``.
OPERATOR = "operator"


@dataclass(frozen=True)
class Access:
    """What is shown to a listener.

    Attributes:
        user: Who asks, or "" if no password is sent.
        password: Their password.
        ca: The authority that signed the listener's certificate, as a PEM file; the system's own if None.
        certificate: Ours, as a PEM file; None if there is none.
        key: The key to it; None where the certificate's file holds it.
        is_for_tls: Whether nothing of it may go to an address without TLS.
    """

    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    is_for_tls: bool = False


#: For listeners that ask for nothing.
NONE = Access()


def of_folder(secrets: Path) -> Access:
    """The operator's, out of the secrets of what ``otel-dbmon deploy`` laid out.

    Raises:
        OSError: The folder does not hold them.
    """
    return Access(
        OPERATOR,
        read_password(secrets / f"{OPERATOR}.password"),
        secrets / "ca.pem",
        secrets / f"{OPERATOR}.pem",
        secrets / f"{OPERATOR}.key",
        is_for_tls=True,
    )


def read_password(path: Path) -> str:
    """The password that a file holds, without the end of its line.

    Raises:
        OSError: The file cannot be read.
    """
    return path.read_text(encoding="utf-8").strip()


def split_address(url: str) -> tuple[str, str, str]:
    """An address without the user and the password in it, and these two, which are "" where it has none.

    Raises:
        ValueError: It is no address of HTTP.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("no http:// or https:// address")
    host = parts.netloc.rpartition("@")[2]
    bare = urllib.parse.urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
    return bare, urllib.parse.unquote(parts.username or ""), urllib.parse.unquote(parts.password or "")
