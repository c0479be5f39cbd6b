"""The numbers and switches of the pipeline, already validated: the host turns settings into one of these."""

from __future__ import annotations

from dataclasses import dataclass

#: Bucket boundaries in seconds, from the semantic conventions' advice for ``db.client.operation.duration``.
DEFAULT_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)


@dataclass(frozen=True)
class Config:
    """Everything the pipeline can be told.

    Attributes:
        slow_query_threshold_ns: A statement that takes at least this long (nanoseconds) is slow.
        n_plus_one_threshold: So many repeats of a query after another one are an N+1 pattern.
        n_plus_one_min_duration_ns: Repeats that take at least this long together (nanoseconds) are worth an alert.
        max_series: Most series an instrument may hold before ``otel.metric.overflow`` takes the rest.
        top_queries: How many query patterns get a series of their own, by total time.
        cache_size: Most entries in each cache of analyses.
        max_query_length: ``db.query.text`` is cut to this many characters (after sanitizing).
        query_text: Whether ``db.query.text`` is exported at all.
        redact_urls: Whether values in URL query strings are masked on every span.
        database_metrics: Whether the ``database.*`` family is recorded.
        client_metrics: Whether the ``db.client.*`` family is recorded.
        duration_buckets: Histogram boundaries in seconds, strictly increasing.
    """

    slow_query_threshold_ns: int = 1_000_000_000
    n_plus_one_threshold: int = 5
    n_plus_one_min_duration_ns: int = 50_000_000
    max_series: int = 2000
    top_queries: int = 50
    cache_size: int = 1000
    max_query_length: int = 8192
    query_text: bool = True
    redact_urls: bool = True
    database_metrics: bool = True
    client_metrics: bool = True
    duration_buckets: tuple[float, ...] = DEFAULT_BUCKETS
