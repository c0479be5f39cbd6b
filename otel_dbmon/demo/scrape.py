"""Takes the text of a Prometheus endpoint and answers the series of the specification and how much they counted."""

from __future__ import annotations

import http.client

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from otel_dbmon_semconv import metrics as names

DURATION = names.DATABASE_QUERY_DURATION.prometheus_name
ACTIVE = names.DATABASE_CONNECTIONS_ACTIVE.prometheus_name
ERRORS = names.DATABASE_ERRORS.prometheus_name


def fetch(port: int) -> str:
    """The page as a Prometheus server would get it.

    Raises:
        OSError: If nobody answers, or not with the metrics.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/metrics", headers={"Accept": "text/plain"})
        response = connection.getresponse()
        page = response.read().decode()
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP from the Prometheus endpoint ({type(error).__name__})") from None
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise OSError(f"the Prometheus endpoint answered {response.status}")
    return page


class Scrape:
    """One page of metrics.

    Args:
        page: The text, as it was scraped.
    """

    def __init__(self, page: str) -> None:
        self.page = page
        self._samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]

    @property
    def statements(self) -> int:
        """How many statements the duration histogram has counted."""
        return int(sum(sample.value for sample in self._named(f"{DURATION}_count")))

    @property
    def error_types(self) -> dict[str, int]:
        """How many statements failed, by ``error_type``; kinds that have not occurred are left out."""
        types: dict[str, int] = {}
        for sample in self._named(ERRORS):
            if sample.value:
                kind = sample.labels["error_type"]
                types[kind] = types.get(kind, 0) + int(sample.value)
        return types

    def lines(self, name: str, at_most: int) -> list[str]:
        """The series of this name with the highest values, one line each, as on the page."""
        prefix = f"{name}{{"
        lines = [line for line in self.page.splitlines() if line.startswith(prefix)]
        return sorted(lines, key=lambda line: -float(line.rsplit(" ", 1)[1]))[:at_most]

    def _named(self, name: str) -> list[Sample]:
        return [sample for sample in self._samples if sample.name == name]
