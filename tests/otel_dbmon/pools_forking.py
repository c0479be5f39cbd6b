"""Forks with pools in use and prints, as JSON, what parent and child tell of them; run by a test as a process."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from forking import in_child
from pooling import Watched, engine_on

watched = Watched()
engine = engine_on(Path(sys.argv[1]), pool_size=2, max_overflow=0, pool_timeout=60)
watched.pools.add(engine)


def child() -> list[dict[str, int]]:
    """What is told first, and after the child has made the pool its own and used it."""
    told = [watched.only()]
    engine.dispose(close=False)
    with engine.connect():
        told.append(watched.only())
    return told


def use_for_ever() -> None:
    """Keep every lock of ours busy."""
    while True:
        engine.raw_connection().close()
        watched.told()


held = engine.connect()
for _ in range(3):
    threading.Thread(target=use_for_ever, daemon=True).start()
children = [in_child(child) for _ in range(10)]
print(json.dumps({"children": children, "parent": watched.only(), "failures": watched.guard.failures}))
