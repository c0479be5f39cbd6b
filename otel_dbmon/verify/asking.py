"""Asks the stack's listeners over HTTP, with the operator's certificate and password where there are any."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import requests

_TIMEOUT_S = 10
_POLL_S = 1.0
USER = "operator"
_Found = TypeVar("_Found")


class UnansweredError(Exception):
    """No answer that can be used; the message says which address, and why."""


def ask(url: str, secrets: Path | None, **parameters: str) -> requests.Response:
    """The answer to a GET request.

    Raises:
        UnansweredError: There is none, or it is none of success.
    """
    arguments: dict[str, Any] = {}
    if secrets is not None and url.startswith("https:"):
        arguments["verify"] = str(secrets / "ca.pem")
        arguments["cert"] = (str(secrets / f"{USER}.pem"), str(secrets / f"{USER}.key"))
        arguments["auth"] = (USER, (secrets / f"{USER}.password").read_text(encoding="utf-8").strip())
    try:
        with requests.Session() as session:
            # Proxies and passwords of the person's environment are for other addresses.
            session.trust_env = False
            response = session.get(url, params=parameters, timeout=_TIMEOUT_S, **arguments)
    except requests.exceptions.SSLError as error:
        raise UnansweredError(f"{url}: TLS failed ({_reason(error)})") from None
    except requests.exceptions.Timeout:
        raise UnansweredError(f"{url}: no answer within {_TIMEOUT_S} s") from None
    except requests.exceptions.RequestException as error:
        raise UnansweredError(f"{url}: {_reason(error)}") from None
    except OSError as error:
        raise UnansweredError(f"{error.filename or url}: {error.strerror or 'cannot be used'}") from None
    if not response.ok:
        raise UnansweredError(f"{url}: answered {response.status_code}")
    return response


def ask_json(url: str, secrets: Path | None, **parameters: str) -> Any:
    """The answer as data.

    Raises:
        UnansweredError: There is none, or it is no JSON.
    """
    try:
        return ask(url, secrets, **parameters).json()
    except ValueError:
        raise UnansweredError(f"{url}: no JSON in the answer") from None


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


def _reason(error: BaseException) -> str:
    """What the system or OpenSSL said, without the layers around it."""
    inner: Any = error
    while True:
        causes = (getattr(inner, "reason", None), *inner.args)
        following = next((one for one in causes if isinstance(one, BaseException)), None)
        if following is None:
            break
        inner = following
    return str(getattr(inner, "reason", None) or getattr(inner, "strerror", None) or inner).rpartition(": ")[2]
