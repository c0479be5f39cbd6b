"""Notes on SQLite: a Flask application for gunicorn's workers; `gunicorn app:app`, then http://127.0.0.1:8000/."""

from __future__ import annotations

import os

from flask import Flask, request
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, insert, select

engine = create_engine(os.environ.get("DATABASE_URL", "sqlite:///notes.db"))
metadata = MetaData()
notes = Table("notes", metadata, Column("id", Integer, primary_key=True), Column("text", String(200)))
app = Flask(__name__)


@app.get("/")
def read() -> dict[str, object]:
    """One statement; says which worker answered."""
    with engine.connect() as connection:
        rows = connection.execute(select(notes.c.text).order_by(notes.c.id.desc()).limit(10)).scalars().all()
    return {"worker": os.getpid(), "notes": rows}


@app.post("/")
def write() -> tuple[dict[str, object], int]:
    """One statement."""
    with engine.begin() as connection:
        connection.execute(insert(notes).values(text=request.get_json()["text"]))
    return {"worker": os.getpid()}, 201
