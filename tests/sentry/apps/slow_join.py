"""A service that joins more than it should, on PostgreSQL; it knows Sentry or not, as ``INIT`` says."""

from __future__ import annotations

import os

if os.environ["INIT"] == "before":
    import sentry_sdk

    sentry_sdk.init(os.environ["DSN"])

    import otel_dbmon

    otel_dbmon.instrument()
elif os.environ["INIT"] == "after":
    import sentry_sdk

    sentry_sdk.init(os.environ["DSN"])

from opentelemetry import trace
from sqlalchemy import create_engine, text

URL = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")
engine = create_engine(URL, pool_size=2, max_overflow=0)


def report(limit: int) -> None:
    """Compare everybody with everybody."""
    with engine.connect() as connection:
        connection.execute(
            text("SELECT count(*) FROM users JOIN profiles ON users.id <> profiles.id WHERE users.id < :limit"),
            {"limit": limit},
        )


def main() -> None:
    """Make the tables and ask for the report, in one request."""
    with engine.begin() as connection:
        for table in ("users", "profiles"):
            connection.execute(text(f"DROP TABLE IF EXISTS {table}"))
            connection.execute(text(f"CREATE TABLE {table} AS SELECT id FROM generate_series(1, 3000) AS id"))
    with trace.get_tracer("app").start_as_current_span("GET /report"):
        report(987654)


if __name__ == "__main__":
    main()
