"""Where a click leads: from a series or a row to the page of one service, of one query pattern, or to its traces."""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import quote

from boards.panels import Link
from otel_dbmon_semconv.attributes import DBMON_QUERY_FINGERPRINT, SERVICE_NAME

SERVICE_PAGE: Final = "dbmon-service"
#: The data source's uid in provisioning/datasources.
TRACES: Final = "dbmon-traces"

_KEEP = "${datasource:queryparam}&${__url_time_range}"
_SERIES_SERVICE = "${__field.labels.service:percentencode}"
_ROW_SERVICE, _ROW_FINGERPRINT = "${__data.fields.service:percentencode}", "${__data.fields.fingerprint:percentencode}"

OF_SERIES: Final = Link("Open this service", f"/d/{SERVICE_PAGE}?{_KEEP}&var-service={_SERIES_SERVICE}")
OF_ROW: Final = Link("Open this service", f"/d/{SERVICE_PAGE}?{_KEEP}&var-service={_ROW_SERVICE}")
OF_PATTERN: Final = Link(
    "Open this pattern",
    f"/d/{SERVICE_PAGE}?{_KEEP}&var-service={_ROW_SERVICE}&var-fingerprint={_ROW_FINGERPRINT}",
)


def _explore() -> str:
    """Explore's address with a search for the spans of one pattern; Grafana fills in what stands in braces."""
    spans = f'{{span.{DBMON_QUERY_FINGERPRINT}="FINGERPRINT" && resource.{SERVICE_NAME}="SERVICE"}}'
    query = {"refId": "A", "queryType": "traceql", "query": spans, "limit": 20}
    pane = {"datasource": TRACES, "queries": [query], "range": {"from": "FROM", "to": "TO"}}
    panes = quote(json.dumps({"dbm": pane}, separators=(",", ":")))
    filled = {
        "SERVICE": _ROW_SERVICE,
        "FINGERPRINT": _ROW_FINGERPRINT,
        "FROM": "${__from}",
        "TO": "${__to}",
    }
    for placeholder, variable in filled.items():
        panes = panes.replace(placeholder, variable)
    return f"/explore?schemaVersion=1&orgId=1&panes={panes}"


TRACES_OF_PATTERN: Final = Link("Show its traces", _explore())
