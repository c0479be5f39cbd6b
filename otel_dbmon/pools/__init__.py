"""Measures connection pools: engines and pools that were seen go in, their metrics come out for as long as they live.

A pool holds its own meter, so that nothing of ours outlives it: a registry of weak references (``registry``) only knows
where to look. ``sqlalchemy`` and ``psycopg`` are the two rooms that know a library's pools; whatever reaches into one
of them is there.
"""

from otel_dbmon.pools.meter import connection_pool_usage
from otel_dbmon.pools.registry import Pools

__all__ = ["Pools", "connection_pool_usage"]
