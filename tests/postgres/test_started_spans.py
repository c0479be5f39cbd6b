"""The spans of SQLAlchemy's statements on PostgreSQL, as they start."""

from __future__ import annotations

import json

import pytest
from launching import Launched
from server import Server
from sqlalchemy import make_url


@pytest.mark.parametrize("is_host_in_url", [True, False])
def test_a_span_starts_as_contrib_would_have_started_it(server: Server, is_host_in_url: bool) -> None:
    """Where the URL names no host, libpq knows it and contrib asks the connection."""
    url = make_url(server.url).set(drivername="postgresql+psycopg")
    known = {"PGHOST": url.host, "PGPORT": url.port, "PGUSER": url.username, "PGDATABASE": url.database}
    environment = {"APP_URL": url.render_as_string(hide_password=False), "OTEL_SEMCONV_STABILITY_OPT_IN": "database"}
    if not is_host_in_url:
        environment["APP_URL"] = "postgresql+psycopg://"
        environment.update({key: str(value) for key, value in known.items() if value})
        environment["PGPASSWORD"] = url.password or ""
    with Launched("starting.py", environment) as launched:
        started = launched.output.readlines()
    assert len(started) == 12
    assert started[:6] == started[6:]
    name, attributes, _ = json.loads(started[0])
    assert name == f"SELECT {url.database}"
    assert attributes["db.namespace"] == url.database
