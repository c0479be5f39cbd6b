"""The shop's page that loads row by row is found by its first six queries, its eager twin never."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("flask", reason="the demo's extra is not installed")
pytest.importorskip("sqlalchemy")

FOLDER = Path(__file__).parents[2] / "examples" / "shop"
#: Visits both pages and prints, for each, how many statements it sent and what was found after how many of them.
VISITS = f"""
import json, pathlib, sys
import otel_dbmon

otel_dbmon.instrument(service_name="shop", prometheus=False)
sys.path.insert(0, {str(FOLDER)!r})
from app import create_app
from models import open_database
from otel_dbmon.runtime import current
from seed import seed
from sqlalchemy import event

engine = open_database(pathlib.Path("shop.db"))
seed(engine)
client = create_app(engine).test_client()
sent, found = [], []
event.listen(engine, "before_cursor_execute", lambda *_: sent.append(1))
current().pipeline.subscribe(found.append)
for page in ("/orders", "/orders/eager"):
    sent.clear()
    found.clear()
    seen = []
    current().pipeline.subscribe(lambda finding, seen=seen: seen.append(len(sent)))
    assert client.get(page).status_code == 200
    print(json.dumps([
        [seen[number], one.kind, one.analysis.table, one.source.table, str(one.location), one.advice[0].topic]
        for number, one in enumerate(found)
    ]))
"""


def test_the_row_by_row_page_is_found_by_its_first_six_queries(tmp_path: Path) -> None:
    """One query and five repeats; then the other two loops of the page, each once. The twin has none."""
    environment = {
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "PATH": "",
    }
    done = subprocess.run(
        [sys.executable, "-c", VISITS], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    row_by_row, eager = map(json.loads, done.stdout.splitlines())
    lines = (FOLDER / "app.py").read_text().splitlines()
    first, *others = row_by_row
    assert first[:4] == [6, "n_plus_one", "customers", "orders"]
    assert first[5] == "relationship"
    path, _, line = first[4].rpartition(":")
    assert path.endswith("app.py")
    assert "order.customer.name" in lines[int(line) - 1]
    assert {other[2] for other in others} == {"order_items", "products"}
    assert eager == []
