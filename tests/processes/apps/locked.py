"""Forks at the worst moments: while the parent exports, collects, or has just used its connection to the collector."""

from __future__ import annotations

import json
import os
import sys
import threading
import time

import shop
from opentelemetry import metrics, trace


def exporting() -> None:
    """The collector takes its time, so the export lock is held while the child is made."""
    shop.visit(5)
    flush = threading.Thread(target=metrics.get_meter_provider().force_flush)  # type: ignore[attr-defined]
    flush.start()
    time.sleep(0.3)
    assert flush.is_alive()


def collecting() -> None:
    """An observer takes its time, so the locks of a collection are held."""
    inside = threading.Event()

    def observe(_: object) -> list[object]:
        inside.set()
        time.sleep(0.5 if os.getpid() == parent else 0)
        return []

    parent = os.getpid()
    metrics.get_meter("app").create_observable_gauge("slow", [observe])
    shop.visit(5)
    threading.Thread(target=metrics.get_meter_provider().force_flush).start()  # type: ignore[attr-defined]
    assert inside.wait(10)


def connected() -> None:
    """The exporters have open connections, which a child inherits."""
    shop.visit(5)
    trace.get_tracer_provider().force_flush()  # type: ignore[attr-defined]
    metrics.get_meter_provider().force_flush()  # type: ignore[attr-defined]


if __name__ == "__main__":
    {"exporting": exporting, "collecting": collecting, "connected": connected}[sys.argv[1]]()
    children = []
    for _child in range(3):
        child = os.fork()
        if child == 0:
            for _ in range(200):
                shop.visit(1)
                time.sleep(0.002)
            sys.exit()
        children.append(child)
    for _ in range(200):
        shop.visit(1)
        time.sleep(0.002)
    for child in children:
        os.waitpid(child, 0)
    print(json.dumps({"sent": shop.sent}), flush=True)
