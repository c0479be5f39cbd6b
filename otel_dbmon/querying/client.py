"""Takes addresses, asks over HTTP with what listeners want to see, and answers; or says why nobody answered."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import requests

from otel_dbmon.querying.access import NONE, Access

_TIMEOUT_S = 10.0


class UnansweredError(Exception):
    """No answer that can be used; the message says which address, and why."""


class Client:
    """Asks listeners that all want to see the same; keeps connections between questions.

    Args:
        access: What they want to see.
        timeout_s: How long one may take to answer.
    """

    def __init__(self, access: Access = NONE, timeout_s: float = _TIMEOUT_S) -> None:
        self._access = access
        self._timeout_s = timeout_s
        self._session = requests.Session()
        # Proxies and passwords of the person's environment are for other addresses.
        self._session.trust_env = False

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, url: str, **parameters: str) -> requests.Response:
        """The answer to a GET request.

        Args:
            url: Where to ask.
            parameters: The query.

        Raises:
            UnansweredError: There is none, or it is none of success.
        """
        try:
            response = self._session.get(url, params=parameters, timeout=self._timeout_s, **self._credentials(url))
        except requests.exceptions.SSLError as error:
            raise UnansweredError(f"{url}: TLS failed ({_reason(error)})") from None
        except requests.exceptions.Timeout:
            raise UnansweredError(f"{url}: no answer within {self._timeout_s:g} s") from None
        except requests.exceptions.RequestException as error:
            raise UnansweredError(f"{url}: {_reason(error)}") from None
        except OSError as error:
            raise UnansweredError(f"{error.filename or url}: {error.strerror or 'cannot be used'}") from None
        if not response.ok:
            raise UnansweredError(f"{url}: answered {response.status_code}{_complaint(response)}")
        return response

    def get_json(self, url: str, **parameters: str) -> Any:
        """The answer as data.

        Raises:
            UnansweredError: There is none, or it is no JSON.
        """
        try:
            return self.get(url, **parameters).json()
        except ValueError:
            raise UnansweredError(f"{url}: no JSON in the answer") from None

    def _credentials(self, url: str) -> dict[str, Any]:
        access, is_tls = self._access, url.startswith("https:")
        arguments: dict[str, Any] = {}
        if access.user and (is_tls or not access.is_for_tls):
            arguments["auth"] = (access.user.encode(), access.password.encode())
        if is_tls and access.ca is not None:
            arguments["verify"] = str(access.ca)
        if is_tls and access.certificate is not None:
            arguments["cert"] = str(access.certificate) if access.key is None else (access.certificate, access.key)
        return arguments


def _complaint(response: requests.Response) -> str:
    """What Prometheus says of a question that it does not understand."""
    try:
        said = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f" ({said})"


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
