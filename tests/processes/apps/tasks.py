"""A celery application that knows nothing of monitoring; each task leaves a note of what its process has sent."""

from __future__ import annotations

import json
import os
from pathlib import Path

import shop
from celery import Celery

FOLDER = Path(os.environ["CELERY_FOLDER"])

app = Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": FOLDER / "queue",
    "data_folder_out": FOLDER / "queue",
    "control_folder": FOLDER / "control",
}
app.conf.worker_prefetch_multiplier = 1


@app.task
def visit(number: int) -> None:
    """Three statements."""
    note = FOLDER / f"note-{number}.json"
    note.with_suffix(".tmp").write_text(json.dumps(shop.visit()))
    note.with_suffix(".tmp").rename(note)
