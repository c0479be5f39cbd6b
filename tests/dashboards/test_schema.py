"""The dashboards have the types that Grafana publishes for them, each kind of panel with its own options."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pages import FOLDER
from programs import need

SCHEMA = Path(__file__).with_name("schema")
_FILES = ("package.json", "package-lock.json", ".npmrc")
#: Slips that the types have to notice: what is replaced, and by what.
SLIPS = {
    "an unknown value": ('"displayMode": "table"', '"displayMode": "tabel"'),
    "an unknown option": ('"graphMode"', '"graphmode"'),
    "an unknown colour mode": ('"palette-classic-by-name"', '"palette-nice"'),
    "an unknown number": ('"refresh": 2,', '"refresh": 7,'),
    "an unknown field of a query": ('"exemplar": false', '"exemplars": false'),
    "an unknown kind of panel": ('"type": "stat"', '"type": "statt"'),
    "an unknown field option": ('"lineWidth"', '"linewidth"'),
    "a missing field": ('"schemaVersion": 39,', ""),
}


@pytest.fixture(scope="module")
def packages() -> Path:
    """The locked packages, kept outside the tree for the next time."""
    npm = need("npm")
    content = b"".join((SCHEMA / name).read_bytes() for name in _FILES)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otel-dbmon"
    folder = cache / f"schema-{hashlib.sha256(content).hexdigest()[:16]}"
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            shutil.copy(SCHEMA / name, folder)
        subprocess.run([npm, "ci"], cwd=folder, check=True, capture_output=True, timeout=300)
        (folder / "installed").touch()
    return folder


@pytest.fixture(scope="module")
def compiled(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """What the compiler says of each file: all dashboards, and one with each slip, in one run."""
    folder = tmp_path_factory.mktemp("schema")
    (folder / "node_modules").symlink_to(packages / "node_modules")
    for name in ("package.json", "tsconfig.json", "dashboard.ts"):
        shutil.copy(SCHEMA / name, folder)
    texts = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    for number, (right, wrong) in enumerate(SLIPS.values()):
        assert right in texts["telemetry"]
        texts[f"slip{number}"] = texts["telemetry"].replace(right, wrong)
    for name, text in texts.items():
        (folder / f"{name}.ts").write_text(
            f'import type {{ Dashboard }} from "./dashboard.js";\nexport const page: Dashboard = {text};\n'
        )
    compiler = packages / "node_modules" / ".bin" / "tsc"
    run = subprocess.run([compiler, "-p", folder], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return lambda name: [line for line in run.stdout.splitlines() if line.startswith(f"{name}.ts(")]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: str(path.stem))
def test_a_dashboard_has_its_types(compiled: Callable[[str], list[str]], path: Path) -> None:
    """The compiler has nothing to say."""
    assert compiled("dashboard") == []
    assert compiled(path.stem) == []


@pytest.mark.parametrize("number", range(len(SLIPS)), ids=list(SLIPS).__getitem__)
def test_a_slip_is_noticed(compiled: Callable[[str], list[str]], number: int) -> None:
    """The types are strict: a dashboard with one slip does not compile."""
    assert compiled(f"slip{number}")


def test_the_lock_has_hashes_and_no_address() -> None:
    """Any registry will do, and it is noticed if it serves something else."""
    text = (SCHEMA / "package-lock.json").read_text()
    assert "://" not in text
    assert text.count('"integrity"') == text.count('"node_modules/')
