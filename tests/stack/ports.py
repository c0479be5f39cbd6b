"""Ports for servers that start later: outside the range that the system gives to callers, who would come between."""

from __future__ import annotations

import random
import socket

_FIRST, _LAST = 15000, 30000
_given: set[int] = set()


def quiet_port() -> int:
    """A port of the loopback interface that nothing listens on, and that was not given before."""
    while True:
        port = random.SystemRandom().randint(_FIRST, _LAST)
        if port in _given:
            continue
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
