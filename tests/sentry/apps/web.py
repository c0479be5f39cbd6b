"""A small web service in Flask and in FastAPI: a view whose statement fails, and one whose statement takes long."""

from __future__ import annotations

import logging
import os

import sentry_sdk

if "DSN" in os.environ:
    sentry_sdk.init(
        os.environ["DSN"],
        enable_logs=True,
        send_default_pii=True,
        traces_sample_rate=float(os.environ.get("TRACES", "0")) or None,
    )

import fastapi
import flask
from sqlalchemy import create_engine, text

engine = create_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"))


def work(name: str) -> None:
    """Two statements; the second one fails, and the error is nobody's."""
    with engine.connect() as connection:
        connection.execute(text("SELECT 1")).all()
        logging.getLogger("web").error("no account for %s", name)
        connection.execute(text("SELECT * FROM nowhere WHERE name = :name"), {"name": name})


def wait() -> dict[str, int]:
    """A slow statement."""
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_sleep(0.3)"))
    return {"pid": os.getpid()}


flask_app = flask.Flask("web")
flask_app.get("/account/<name>")(work)
flask_app.get("/wait")(wait)

fastapi_app = fastapi.FastAPI()


@fastapi_app.get("/account/{name}")
async def work_in_loop(name: str) -> None:
    """The view runs in the event loop."""
    work(name)


@fastapi_app.get("/thread/{name}")
def work_in_thread(name: str) -> None:
    """The view runs in a thread of its own."""
    work(name)
