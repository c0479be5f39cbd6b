"""Asks the stack's listeners with the operator's certificate and password where there are any, again if need be."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import requests

from otel_dbmon.querying.access import NONE, of_folder
from otel_dbmon.querying.client import Client, UnansweredError
from otel_dbmon.querying.prometheus import Prometheus, Sample

_POLL_S = 1.0
_Found = TypeVar("_Found")


def ask(url: str, secrets: Path | None, **parameters: str) -> requests.Response:
    """The answer to a GET request.

    Raises:
        UnansweredError: There is none, or it is none of success.
    """
    with _client(secrets) as client:
        return client.get(url, **parameters)


def ask_json(url: str, secrets: Path | None, **parameters: str) -> Any:
    """The answer as data.

    Raises:
        UnansweredError: There is none, or it is no JSON.
    """
    with _client(secrets) as client:
        return client.get_json(url, **parameters)


def ask_prometheus(address: str, secrets: Path | None, query: str) -> list[Sample]:
    """What a Prometheus finds now.

    Raises:
        UnansweredError: It does not answer.
    """
    with _client(secrets) as client:
        return Prometheus(address.rstrip("/"), client).instant(query)


def patiently(look: Callable[[], _Found | None], timeout_s: float) -> _Found | None:
    """What is found, however often that takes; None once the time is over.

    Args:
        look: Looks once, and finds None as long as it has to be asked again.
        timeout_s: For how many seconds; there is one look at least.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        found = look()
        if found is not None or time.monotonic() > deadline:
            return found
        time.sleep(_POLL_S)


def _client(secrets: Path | None) -> Client:
    try:
        return Client(NONE if secrets is None else of_folder(secrets))
    except OSError as error:
        raise UnansweredError(f"{error.filename}: {error.strerror}") from None
