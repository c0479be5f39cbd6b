"""A script that is not started by the launcher and says the one line itself, after it imported what it needs."""

from __future__ import annotations

from sqlalchemy import create_engine, text

import otel_dbmon

early = create_engine("sqlite://")
otel_dbmon.instrument(service_name="one-line", slow_query_threshold=0)
otel_dbmon.instrument(service_name="one-line", slow_query_threshold=0)
late = create_engine("sqlite://")

for engine in (early, late):
    with engine.connect() as connection:
        connection.execute(text("SELECT 'canary-4711' AS name"))
