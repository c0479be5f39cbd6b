"""Takes what Sentry's SDK sends to a loopback port, as Sentry would, and keeps the events of it."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from otel_dbmon.demo.receiver import Receiver

_is_envelope = re.compile(r"/api/[0-9]+/envelope/?").fullmatch


class SentryReceiver(Receiver):
    """A context manager that listens while it is entered.

    Args:
        sink: Gets every envelope as it was on the wire, unzipped; one call at a time.
    """

    def __init__(self, sink: Callable[[bytes], None]) -> None:
        super().__init__(lambda _, body: sink(body))
        self._take = sink

    def __enter__(self) -> SentryReceiver:
        super().__enter__()
        return self

    @property
    def dsn(self) -> str:
        """The value for ``SENTRY_DSN``."""
        return f"{self.url.replace('://', '://demo@')}/1"

    def accept(self, path: str, body: bytes, zipped: bool = False) -> int:
        """Take one envelope; the answer is the HTTP status."""
        if not _is_envelope(path):
            return 404
        try:
            body = gzip.decompress(body) if zipped else body
        except (EOFError, OSError, zlib.error):
            return 400
        with self._lock:
            self._take(body)
        return 200


def lines_of(envelope: bytes) -> bytes:
    """The envelope as it was sent, ended by a line break: a header, and for each item a header and its payload."""
    return envelope if envelope.endswith(b"\n") else envelope + b"\n"


def events_of(envelope: bytes) -> Iterator[dict[str, Any]]:
    """The events in an envelope; other items are skipped."""
    lines = iter(envelope.split(b"\n")[1:])
    for header in lines:
        payload = next(lines, b"")
        try:
            if json.loads(header)["type"] == "event":
                yield json.loads(payload)
        except (KeyError, TypeError, ValueError):
            continue
