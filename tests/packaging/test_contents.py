"""What is in the wheel and in the sdist, and that it is the wheel that the tests see."""

from __future__ import annotations

import email
import importlib
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "otel_dbmon": ROOT / "otel_dbmon",
    "otel_dbmon_processors": ROOT / "processors" / "otel_dbmon_processors",
    "otel_dbmon_semconv": ROOT / "semconv" / "otel_dbmon_semconv",
}
EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())
#: Set where the tests run against a wheel: the folder of the wheel and the sdist that were built for it.
DIST = os.environ.get("DBMON_TEST_DIST", "")
#: Tests, caches and what runs leave behind.
_UNWANTED = re.compile(r"(?:^|/)(?:tests?/|test_|conftest|__pycache__)|\.(?:db|pyc)$")


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel and the sdist; built here when nobody has."""
    if DIST:
        return Path(DIST)
    pytest.importorskip("build", reason="nothing is built, and there is nothing to build it with")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def wheel(dist: Path) -> dict[str, bytes]:
    """The wheel's files."""
    (path,) = dist.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="session")
def sdist(dist: Path) -> set[str]:
    """The sdist's files, without the folder they are all in."""
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {member.name.split("/", 1)[1] for member in archive if member.isfile()}


def test_the_wheel_holds_the_packages_the_shop_and_the_stack(wheel: dict[str, bytes]) -> None:
    """Every module and marker of the three packages, and what `demo` runs and `deploy` lays out."""
    sources = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for package, folder in PACKAGES.items()
        for path in folder.rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    shop = {f"otel_dbmon/examples/shop/{name}" for name in ("README.md", "app.py", "models.py", "seed.py")}
    stack = {
        f"otel_dbmon/collector-config/{name}"
        for name in (
            "collector/agent.yaml",
            "prometheus/prometheus.yml",
            "compose/compose.yaml",
            "kubernetes/agent.yaml",
        )
    }
    page = {f"otel_dbmon/report/templates/{name}" for name in ("report.html.jinja", "report.css")}
    assert sources | shop | stack | page <= set(wheel)


def test_the_wheel_holds_nothing_else(wheel: dict[str, bytes]) -> None:
    """No tests, no caches, no top-level package that is not ours."""
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert not [name for name in wheel if _UNWANTED.search(name)]


def test_the_wheel_says_what_it_is(wheel: dict[str, bytes]) -> None:
    """Name, version, licence and the commands and plug-ins that an installer sets up."""
    (metadata,) = (text for name, text in wheel.items() if name.endswith(".dist-info/METADATA"))
    fields = email.message_from_bytes(metadata)
    version = importlib.import_module("otel_dbmon").__version__
    assert (fields["Name"], fields["Version"], fields["License-Expression"]) == ("otel-dbmon", version, "Apache-2.0")
    assert {"cli", "demo"} <= set(fields.get_all("Provides-Extra", []))
    (entry_points,) = (text.decode() for name, text in wheel.items() if name.endswith("entry_points.txt"))
    assert "otel-dbmon = otel_dbmon.command:main" in entry_points
    assert any(name.endswith("licenses/LICENSE") for name in wheel)


def test_the_sdist_is_what_a_wheel_is_built_from(sdist: set[str]) -> None:
    """Sources, build files and documents; nothing of the workshop."""
    assert {"pyproject.toml", "hatch_build.py", "README.md", "CHANGELOG.md", "LICENSE"} <= sdist
    examples = {f"examples/{path.name}/{name}" for path in EXAMPLES for name in ("README.md", "app.py")}
    assert {"otel_dbmon/py.typed", *examples} <= sdist
    assert not [name for name in sdist if name.startswith(("tests/", "requirements/", "build/", ".ci"))]


@pytest.mark.skipif(not DIST, reason="these tests see the checkout")
@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_the_tests_see_the_installed_wheel(package: str) -> None:
    """Nothing of the checkout is on the import path."""
    found = importlib.import_module(package).__file__
    assert found is not None
    assert Path(found).is_relative_to(sysconfig.get_path("purelib"))
