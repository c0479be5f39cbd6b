"""Takes PromQL, and answers with what a Prometheus, or what has its API, finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from otel_dbmon.querying.client import Client, UnansweredError


class Sample(NamedTuple):
    """One series at one moment.

    Attributes:
        labels: Its labels; ``__name__`` is the metric's.
        value: Its value; NaN and the infinities are possible.
    """

    labels: Mapping[str, str]
    value: float


class Series(NamedTuple):
    """One series over a time.

    Attributes:
        labels: Its labels; ``__name__`` is the metric's.
        points: Moments, in seconds since 1970, and the values then; moments without a value are left out.
    """

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


class Prometheus:
    """A server with the HTTP API of Prometheus.

    Args:
        url: Its address, without ``/api``, user and password.
        client: Asks it.
    """

    def __init__(self, url: str, client: Client) -> None:
        self.url = url
        self._client = client

    def instant(self, query: str, at: float | None = None) -> list[Sample]:
        """What is found at one moment.

        Args:
            query: PromQL that gives a vector or a scalar.
            at: The moment, in seconds since 1970; now if None.

        Raises:
            UnansweredError: The server does not answer, or not with that.
        """
        moment = {} if at is None else {"time": f"{at:.3f}"}
        data = self._ask("query", query=query, **moment)
        try:
            if data["resultType"] == "scalar":
                return [Sample({}, float(data["result"][1]))]
            return [Sample(found["metric"], float(found["value"][1])) for found in data["result"]]
        except (KeyError, TypeError, ValueError, IndexError):
            raise self._strange() from None

    def range(self, query: str, start: float, end: float, step: float) -> list[Series]:
        """What is found at moments that are ``step`` apart, the first and the last included.

        Args:
            query: PromQL that gives a vector or a scalar.
            start: The first moment, in seconds since 1970.
            end: The last one at most.
            step: In seconds.

        Raises:
            UnansweredError: The server does not answer, or not with that.
        """
        times = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        data = self._ask("query_range", query=query, **times)
        try:
            return [
                Series(found["metric"], tuple((float(moment), float(value)) for moment, value in found["values"]))
                for found in data["result"]
            ]
        except (KeyError, TypeError, ValueError):
            raise self._strange() from None

    def _ask(self, what: str, **parameters: str) -> Any:
        answer = self._client.get_json(f"{self.url}/api/v1/{what}", **parameters)
        try:
            return answer["data"]
        except (KeyError, TypeError):
            raise self._strange() from None

    def _strange(self) -> UnansweredError:
        return UnansweredError(f"{self.url}: the answer is none of Prometheus's")
