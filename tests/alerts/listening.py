"""A server that takes what Alertmanager delivers, with and without TLS, and keeps it."""

from __future__ import annotations

import json
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Delivery:
    """One request: its path and what it said."""

    path: str
    body: dict[str, Any]


class Listener:
    """A context manager around one server on a free port of localhost.

    Args:
        secrets: Certificates; without, the server speaks plain HTTP. With, callers need one as well.
        login: User and password without which nothing is taken.
    """

    def __init__(self, secrets: Path | None = None, login: tuple[str, str] | None = None) -> None:
        self.deliveries: list[Delivery] = []
        expected = "Basic " + b64encode(":".join(login).encode()).decode() if login else None
        deliveries = self.deliveries

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                allowed = expected is None or self.headers["Authorization"] == expected
                if allowed:
                    deliveries.append(Delivery(self.path, json.loads(body)))
                self.send_response(200 if allowed else 401)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if secrets is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(secrets / "operator.pem", secrets / "operator.key")
            context.load_verify_locations(secrets / "ca.pem")
            context.verify_mode = ssl.CERT_REQUIRED
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if secrets else 'http'}://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def to(self, path: str) -> list[dict[str, Any]]:
        """What came to this path, in order."""
        return [delivery.body for delivery in list(self.deliveries) if delivery.path == path]


def until(found: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
