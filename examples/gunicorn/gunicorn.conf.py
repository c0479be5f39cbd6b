"""How gunicorn runs the notes: two workers; the master makes the table before it forks."""

from __future__ import annotations

import os
from typing import Any

bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
workers = 2


def on_starting(_server: Any) -> None:
    """Once, in the master: its connections must not be the workers' too, so it closes them."""
    from app import engine, metadata

    metadata.create_all(engine)
    engine.dispose()
