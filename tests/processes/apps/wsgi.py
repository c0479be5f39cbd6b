"""A Flask application that knows nothing of monitoring; with PRELOADED it queries while it is imported."""

from __future__ import annotations

import os
import time

import shop
from flask import Flask

app = Flask(__name__)

if "PRELOADED" in os.environ:
    shop.visit(7)


@app.get("/")
def index() -> dict[str, int]:
    """Three statements, and time enough for the other worker to take the next request."""
    time.sleep(0.02)
    return shop.visit()
