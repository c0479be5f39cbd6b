"""Says what is loaded of Sentry; knows nothing of it otherwise."""

from __future__ import annotations

import json
import sys

from sqlalchemy import create_engine, text

with create_engine("sqlite://").connect() as connection:
    connection.execute(text("SELECT 1"))

from otel_dbmon.runtime import current

runtime = current()
assert runtime is not None
loaded = sys.modules.get("sentry_sdk")
profiler = sys.modules.get("sentry_sdk.profiler.continuous_profiler")
scheduler = getattr(profiler, "_scheduler", None)
found = {
    "sentry_sdk": loaded is not None,
    "ours": [name for name in sys.modules if name.startswith("otel_dbmon.sentry")],
    "tells_stories": runtime.pipeline.requests.tells_stories,
    "active": loaded is not None and loaded.get_client().is_active(),
    "profiler": bool(scheduler is not None and scheduler.running),
}
sys.stderr.write(json.dumps(found) + "\n")
