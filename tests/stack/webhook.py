"""The person at the end of the chain: takes Alertmanager's webhook over TLS, and remembers what it was told."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Webhook:
    """Listens while it is entered; asks for a certificate of the authority.

    Args:
        secrets: The folder of certificates.
        port: Where to listen.

    Attributes:
        told: (alert, service) -> "firing" or "resolved", in the order of arrival.
        alerts: (alert, service) -> the alert, as it came last.
    """

    def __init__(self, secrets: Path, port: int) -> None:
        self.told: dict[tuple[str, str], list[str]] = {}
        self.alerts: dict[tuple[str, str], dict[str, Any]] = {}
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=secrets / "ca.pem")
        context.load_cert_chain(secrets / "operator.pem", secrets / "operator.key")
        context.verify_mode = ssl.CERT_REQUIRED
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def __enter__(self) -> Webhook:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def was_told(self, alert: str, service: str, status: str) -> bool:
        """Whether an alert came last in this state."""
        return self.told.get((alert, service), [""])[-1] == status

    def _take(self, message: dict[str, Any]) -> None:
        for alert in message["alerts"]:
            key = (alert["labels"]["alertname"], alert["labels"].get("service", ""))
            self.alerts[key] = alert
            told = self.told.setdefault(key, [])
            if told[-1:] != [alert["status"]]:
                told.append(alert["status"])

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Handler
