"""A script with an exhausted pool; it says what hangs on the pool and on the classes of a library it imports late."""

from __future__ import annotations

import json
import sys

from sqlalchemy import create_engine, exc
from sqlalchemy.pool import QueuePool

engine = create_engine("sqlite:///:memory:", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0)
held = engine.connect()
try:
    engine.connect()
except exc.TimeoutError:
    import psycopg_pool

report = {
    "pool": sorted({"connect", "recreate"} & set(vars(engine.pool))),
    "listeners": [len(list(getattr(engine.pool.dispatch, name))) for name in ("checkout", "checkin", "detach")],
    "psycopg_pool": hasattr(psycopg_pool.ConnectionPool.getconn, "__wrapped__"),
}
print(json.dumps(report), flush=True)
sys.stdin.read()
held.close()
