"""Asks the stack's listeners as an operator does: with the operator's certificate and password."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any


class Operator:
    """Somebody who may look at everything.

    Args:
        secrets: The folder of certificates and passwords.
        name: Whose they are.
    """

    def __init__(self, secrets: Path, name: str = "operator") -> None:
        self.context = ssl.create_default_context(cafile=secrets / "ca.pem")
        self.context.load_cert_chain(secrets / f"{name}.pem", secrets / f"{name}.key")
        password = (secrets / f"{name}.password").read_text()
        self._login = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()

    def get(self, url: str, **query: str) -> Any:
        """The JSON at an address."""
        return json.loads(self.text(url, **query))

    def text(self, url: str, **query: str) -> str:
        """The text at an address."""
        if query:
            url += "?" + urllib.parse.urlencode(query)
        asked = urllib.request.Request(url, headers={"Authorization": self._login})
        with urllib.request.urlopen(asked, timeout=10, context=self.context) as answer:
            return str(answer.read().decode())

    def post(self, url: str, body: object) -> None:
        """Send JSON to an address that takes it."""
        asked = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        urllib.request.urlopen(asked, timeout=10, context=self.context).close()

    def answers(self, url: str) -> bool:
        """Whether somebody is at home."""
        try:
            self.text(url)
        except (OSError, urllib.error.URLError):
            return False
        return True


class Metrics:
    """What a Prometheus, or what looks like one, holds.

    Args:
        operator: Who asks.
        url: Where the API is.
    """

    def __init__(self, operator: Operator, url: str) -> None:
        self._operator = operator
        self.url = url

    def series(self, query: str) -> list[dict[str, Any]]:
        """The series that a query finds: labels and value."""
        found = self._operator.get(f"{self.url}/api/v1/query", query=query)["data"]["result"]
        return [{**series["metric"], "value": float(series["value"][1])} for series in found]

    def value(self, query: str) -> float:
        """The one value that a query finds, or 0 where there is none."""
        return sum(series["value"] for series in self.series(query))

    def exemplars(self, query: str) -> list[dict[str, Any]]:
        """The exemplars of the last hour."""
        found = self._operator.get(f"{self.url}/api/v1/query_exemplars", query=query, start="1", end="99999999999")
        return [exemplar for series in found["data"] for exemplar in series["exemplars"]]
