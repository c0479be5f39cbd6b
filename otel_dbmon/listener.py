"""Listens on the first free of some ports and answers each HTTP request in a daemon thread of its own, silently."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import socketserver
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_CLIENT_TIMEOUT_S = 10.0
_MAX_CONNECTIONS = 32
_PAUSE_S = 0.1


class Address:
    """Where to listen, resolved once: a forked child must not look names up, another thread may have been doing so.

    Args:
        host: Name or address; "" for all addresses.

    Raises:
        OSError: The name is not known.
    """

    def __init__(self, host: str) -> None:
        found = socket.getaddrinfo(host or None, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # "localhost" may come as ::1 first, where neither a scrape of 127.0.0.1 nor a container would find it.
        family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
        self.family = family
        self.host = str(address[0])


def listen(address: Address, ports: Iterable[int], app: WSGIApplication) -> Listener | None:
    """A listener on the first of these ports that can be had, or None if none can."""
    for port in ports:
        try:
            return Listener(address, port, app)
        except OSError:
            continue
    return None


class _SilentHandler(WSGIRequestHandler):
    """Writes no log, resolves no name, waits for no client for ever."""

    timeout = _CLIENT_TIMEOUT_S

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: requests of a scraper are no news."""

    def get_stderr(self) -> Any:
        """Where wsgiref would print the traceback of a client that went away."""
        return io.StringIO()


class Listener(socketserver.ThreadingMixIn, WSGIServer):
    """A bound socket.

    Args:
        address: Where to listen.
        port: The port; 0 for any free one.
        app: Answers the requests, several at once.

    Raises:
        OSError: The port cannot be had.
    """

    daemon_threads = True
    request_queue_size = _MAX_CONNECTIONS
    # Elsewhere than on POSIX the option lets two processes share a port.
    allow_reuse_address = os.name == "posix"

    def __init__(self, address: Address, port: int, app: WSGIApplication) -> None:
        self.address_family = address.family
        self._closing = False
        self._connections: set[Any] = set()
        super().__init__((address.host, port), _SilentHandler)
        self.set_app(app)

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of the host's full name, which may hang on a DNS server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def serve(self) -> None:
        """Answer requests until :meth:`close`."""
        # Not serve_forever: that polls, so closing it takes half a second of the service's shutdown.
        while not self._closing:
            try:
                request, client_address = self.get_request()
            except OSError:
                # Closed, or out of file descriptors for now.
                time.sleep(0 if self._closing else _PAUSE_S)
                continue
            try:
                self.process_request(request, client_address)
            except Exception:  # noqa: BLE001 - no thread for this one; the next scrape may get one
                self.shutdown_request(request)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a new thread, or hang up on a client too many."""
        if len(self._connections) >= _MAX_CONNECTIONS:
            super().shutdown_request(request)
            return
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up is no failure, and a traceback on stderr belongs to the service."""

    def close(self) -> None:
        """Stop listening; requests being answered go on."""
        self._closing = True
        with contextlib.suppress(OSError):
            # Wakes the thread that waits in accept().
            self.socket.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def abandon(self) -> None:
        """Let go of the sockets in a forked child, which shares them with its parent, and leave them open there."""
        self._closing = True
        for shared in (self.socket, *self._connections):
            descriptor = shared.detach()
            if descriptor >= 0:
                os.close(descriptor)
