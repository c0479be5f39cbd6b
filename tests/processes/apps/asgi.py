"""An ASGI application that knows nothing of monitoring, and of no framework either."""

from __future__ import annotations

import json
import time
from typing import Any

import shop


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Three statements for each request, and time enough for the other worker to take the next one."""
    if scope["type"] != "http":
        return
    time.sleep(0.02)
    body = json.dumps(shop.visit()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
