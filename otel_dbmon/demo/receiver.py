"""Takes OTLP over http/protobuf on a loopback port, as a collector would, and hands each request on, parsed."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_MESSAGES: dict[str, type[Message]] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}
_LONGEST_BODY = 64 * 1024 * 1024

#: Called with the parsed request and its bytes as they were on the wire, unzipped; one call at a time.
Sink = Callable[[Message, bytes], None]


class Receiver:
    """A context manager that listens while it is entered.

    Args:
        sink: Gets every request of every signal.
        port: The port to listen on; 0 takes any free one.
    """

    def __init__(self, sink: Sink, port: int = 0) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """The value for ``OTEL_EXPORTER_OTLP_ENDPOINT``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Receiver:
        threading.Thread(target=self._server.serve_forever, name="otlp-receiver", daemon=True).start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def accept(self, path: str, body: bytes, zipped: bool = False) -> int:
        """Take the body of one request; the answer is the HTTP status."""
        kind = _MESSAGES.get(path)
        if kind is None:
            return 404
        message = kind()
        try:
            body = gzip.decompress(body) if zipped else body
            message.ParseFromString(body)
        except (DecodeError, EOFError, OSError, zlib.error):
            return 400
        with self._lock:
            self._sink(message, body)
        return 200

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                if length > _LONGEST_BODY:
                    self.close_connection = True
                    self._answer(413)
                    return
                zipped = self.headers.get("Content-Encoding") == "gzip"
                self._answer(receiver.accept(self.path, self.rfile.read(length), zipped))

            def _answer(self, status: int) -> None:
                # An empty body is an empty Export*ServiceResponse: everything was accepted.
                self.send_response(status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: the screen belongs to the demo."""

        return Handler
