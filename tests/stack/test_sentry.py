"""The way into Sentry: traces arrive at its OTLP address, under the key that the environment holds."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from processes import until
from stack import Stack

KEY = "0123456789abcdef0123456789abcdef"
PATH = "/api/1/integration/otlp/v1/traces"


class Sentry:
    """Somebody who listens as Sentry does, with a certificate of an authority that the system trusts.

    Attributes:
        received: Path, key and body of each request.
    """

    def __init__(self, secrets: Path) -> None:
        self.received: list[tuple[str, str | None, bytes]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append((self.path, self.headers["x-sentry-auth"], body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(secrets / "operator.pem", secrets / "operator.key")
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def sentry(secrets: Path) -> Iterator[Sentry]:
    """As long as the test."""
    found = Sentry(secrets)
    yield found
    found.server.shutdown()
    found.server.server_close()


def test_traces_reach_sentry(sentry: Sentry, tmp_path: Path, secrets: Path, collector: Path) -> None:
    """A span that the gateway is sent arrives, with the key in its header."""
    stack = Stack(tmp_path, secrets, collector, Path())
    url = f"https://localhost:{sentry.server.server_port}{PATH}"
    gateway = stack.run_collector(
        "gateway",
        ["gateway.yaml", "sentry.yaml"],
        "exporters: {otlp_http/sentry: {compression: none}}",
        DBMON_SENTRY_TRACES=url,
        DBMON_SENTRY_KEY=KEY,
        SSL_CERT_FILE=str(secrets / "ca.pem"),
    )
    try:
        gateway.start()
        span = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "SELECT users"}
        body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
        stack.operator.post(f"{stack.url('gateway_http')}/v1/traces", body)
        until("it has arrived", lambda: sentry.received)
    finally:
        stack.close()
    path, key, message = sentry.received[0]
    assert path == PATH
    assert key == f"sentry sentry_key={KEY}"
    (resource,) = ExportTraceServiceRequest.FromString(message).resource_spans
    assert resource.scope_spans[0].spans[0].name == "SELECT users"
