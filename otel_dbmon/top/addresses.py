"""What a person calls an endpoint comes in, addresses go out: ``9464``, ``shop:9464-9467``, ``https://..``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from otel_dbmon.querying.access import split_address

_DEFAULT_PORT = 9464
_LAST_PORT = 65535
_MOST_PORTS = 256
_PORTS = re.compile(r"(?:(?P<host>[^:/\[\]\s]+|\[[0-9a-fA-F:.%]+\]):)?(?P<first>\d{1,5})(?:-(?P<last>\d{1,5}))?")
_HOST = re.compile(r"[^:/\[\]\s@]+|\[[0-9a-fA-F:.%]+\]")


def addresses_of(name: str) -> Iterator[str]:
    """The addresses that a name stands for, without ``/metrics``.

    Args:
        name: A port, a host, both, or an address of HTTP; instead of a port also a range, for forked workers.

    Raises:
        ValueError: It is none of these; the message says what is wrong.
    """
    if "://" in name:
        bare, user, _ = split_address(name)
        if user:
            raise ValueError("an endpoint knows no users")
        yield bare.removesuffix("/metrics")
        return
    ports = _PORTS.fullmatch(name)
    if ports is None:
        if _HOST.fullmatch(name) is None:
            raise ValueError("neither a port, a host nor an address")
        yield f"http://{name}:{_DEFAULT_PORT}"
        return
    first = int(ports["first"])
    last = int(ports["last"] or first)
    if not 1 <= first <= last <= _LAST_PORT or last - first >= _MOST_PORTS:
        raise ValueError(f"ports go from 1 to {_LAST_PORT}, at most {_MOST_PORTS} at once")
    for port in range(first, last + 1):
        yield f"http://{ports['host'] or 'localhost'}:{port}"
