"""Checks that each listener lets its callers in and nobody else.

Strangers come without TLS, without a certificate, with one of another authority, without or with a wrong password.

The answer of a listener is looked at, not its configuration. With TLS 1.3 a listener tells of a certificate that it
does not take only after the handshake, so something is asked, and an answer is waited for.
"""

from __future__ import annotations

import base64
import secrets as random
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

from otel_dbmon.deploy.certificates import Pair, authority, leaf
from otel_dbmon.querying.access import OPERATOR, read_password
from otel_dbmon.verify.check import Check
from otel_dbmon.verify.results import Result, failed, ok, skipped
from otel_dbmon.verify.target import Target

_TIMEOUT_S = 5.0
_HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_CLOSED = "it closed the connection"
_REFUSED = (400, 401, 403, 426)
_ADVICE = "take it off the network now; then compare its TLS and web configuration with what `otel-dbmon deploy` makes"


@dataclass(frozen=True)
class _Listener:
    """A listener, and what it asks of its callers.

    Attributes:
        name: As in ``Target.addresses``.
        path: What is asked for over HTTP; "" for gRPC.
        certificate: Whether it wants one.
        password: Whether it wants one.
    """

    name: str
    path: str
    certificate: bool
    password: bool


_LISTENERS = (
    _Listener("otlp", "/v1/traces", certificate=True, password=False),
    _Listener("otlp_grpc", "", certificate=True, password=False),
    _Listener("gateway", "/metrics", certificate=True, password=False),
    _Listener("prometheus", "/-/ready", certificate=True, password=True),
    _Listener("alertmanager", "/-/ready", certificate=True, password=True),
    _Listener("grafana", "/api/org", certificate=False, password=True),
)


class _RefusedError(Exception):
    """The listener did not answer this caller."""


class _UnreachableError(Exception):
    """Nothing listens there."""


@dataclass(frozen=True)
class _Caller:
    """Somebody at the door.

    Attributes:
        pair: Certificate and key, or None.
        password: The operator's, another, or None.
        tls: Whether TLS is spoken at all.
    """

    pair: tuple[Path, Path] | None = None
    password: str | None = None
    tls: bool = True


def _check(listener: _Listener) -> Callable[[Target], Result]:
    def run(target: Target) -> Result:
        address = target.addresses.get(listener.name)
        if not address or target.secrets is None:
            return skipped(
                "its address or the secrets are not known", f"give --{listener.name.replace('_', '-')} and --secrets"
            )
        if not address.startswith("https:"):
            return failed(f"{address} is not encrypted", _ADVICE)
        secrets = target.secrets
        own = (secrets / f"{OPERATOR}.pem", secrets / f"{OPERATOR}.key")
        password = read_password(secrets / f"{OPERATOR}.password")
        caller = _Caller(own if listener.certificate else None, password if listener.password else None)
        try:
            _knock(listener, address, secrets, caller)
        except _UnreachableError as error:
            return failed(str(error), "is it running, and is its port published?")
        except _RefusedError as error:
            return failed(f"{address} refuses its own operator: {error}", "restart it with the present secrets")
        refused = []
        for who, stranger in _strangers(listener, own, password):
            try:
                _knock(listener, address, secrets, stranger)
            except (_RefusedError, _UnreachableError):
                refused.append(who)
            else:
                return failed(f"{address} lets in whoever comes with {who}", _ADVICE)
        return ok(f"{address} refuses {', '.join(refused)}")

    return run


def _strangers(listener: _Listener, own: tuple[Path, Path], password: str) -> Iterator[tuple[str, _Caller]]:
    given = password if listener.password else None
    yield "no TLS", _Caller(None, given, tls=False)
    if listener.certificate:
        yield "no certificate", _Caller(None, given)
        with _other_authority() as pair:
            yield "a certificate of another authority", _Caller(pair, given)
    if listener.password:
        certificate = own if listener.certificate else None
        yield "no password", _Caller(certificate, None)
        yield "a wrong password", _Caller(certificate, random.token_hex(8))


@contextmanager
def _other_authority() -> Iterator[tuple[Path, Path]]:
    """A certificate that looks like ours, of an authority of the moment."""
    now = datetime.now(timezone.utc)
    pair: Pair = leaf(None, authority(None, now), OPERATOR, (OPERATOR, "localhost"), now)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "stranger.pem"), Path(folder, "stranger.key")
        for path, content in zip(files, (pair.certificate, pair.key), strict=True):
            path.write_bytes(content)
            path.chmod(0o600)
        yield files


def _knock(listener: _Listener, address: str, secrets: Path, caller: _Caller) -> None:
    """Return if the listener answers this caller.

    Raises:
        _RefusedError: It does not.
        _UnreachableError: Nothing listens there.
    """
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or 443
    try:
        plain = socket.create_connection((host, port), timeout=_TIMEOUT_S)
    except OSError as error:
        raise _UnreachableError(f"{address}: {error.strerror or error}") from None
    with plain:
        try:
            answer = _answer(plain, host, listener, secrets, caller)
        except ssl.SSLCertVerificationError as error:
            raise _RefusedError(f"its own certificate does not hold: {error.verify_message}") from None
        except OSError as error:
            raise _RefusedError(
                getattr(error, "reason", None) or error.strerror or "it closed the connection"
            ) from None
    if not answer:
        raise _RefusedError(_CLOSED)
    if listener.path or not caller.tls:
        status = _status(answer)
        if status in _REFUSED and not (status == 400 and caller.tls):
            raise _RefusedError(f"it answered {status}")


def _answer(plain: socket.socket, host: str, listener: _Listener, secrets: Path, caller: _Caller) -> bytes:
    request = _request(host, listener, caller.password) if listener.path else _HTTP2
    if not caller.tls:
        plain.sendall(request)
        return plain.recv(4096)
    context = ssl.create_default_context(cafile=secrets / "ca.pem")
    if not listener.path:
        context.set_alpn_protocols(["h2"])
    if caller.pair is not None:
        context.load_cert_chain(*caller.pair)
    with context.wrap_socket(plain, server_hostname=host) as secured:
        secured.sendall(request)
        return secured.recv(4096)


def _request(host: str, listener: _Listener, password: str | None) -> bytes:
    lines = [f"GET {listener.path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    if password is not None:
        lines.append("Authorization: Basic " + base64.b64encode(f"{OPERATOR}:{password}".encode()).decode())
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _status(answer: bytes) -> int:
    words = answer.split(b" ", 2)
    # What is no HTTP over plain TCP is a TLS alert: a refusal.
    return int(words[1]) if answer.startswith(b"HTTP/") and len(words) > 1 and words[1].isdigit() else 400


STRANGERS = tuple(
    Check(
        f"strangers-{listener.name.replace('_', '-')}",
        f"The listener {listener.name} lets nobody in without "
        + ("a certificate of ours" if listener.certificate else "TLS")
        + (" and a password." if listener.password else "."),
        _check(listener),
    )
    for listener in _LISTENERS
)
