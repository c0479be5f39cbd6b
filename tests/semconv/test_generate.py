"""The generator: what is committed is what the registry says, and a registry that contradicts itself is refused."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from generate import main

_HERE = Path(__file__).parent
_BROKEN = sorted((_HERE / "broken").glob("*.yaml"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a small sound registry and nothing generated yet."""
    shutil.copytree(_HERE / "registry", tmp_path / "semconv" / "registry")
    return tmp_path


def test_everything_generated_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """The committed constants, pages and README tables are what the registry gives."""
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_check_names_what_is_stale_and_writes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``--check`` fails with a diff of each stale file and leaves the tree alone."""
    assert main(["--check"], root) == 1
    printed = capsys.readouterr().out
    assert "+++ semconv/otel_dbmon_semconv/metrics.py (as generated)" in printed
    assert '+    name="toys.sold",' in printed
    assert not (root / "docs").exists()


def test_writing_makes_the_check_pass(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After a run the check is content, and a second run writes nothing."""
    assert main([], root) == 0
    assert "wrote docs/reference/settings.md" in capsys.readouterr().out
    assert main(["--check"], root) == 0
    assert main([], root) == 0
    assert capsys.readouterr().out == ""


def test_generated_modules_hold_the_names(root: Path) -> None:
    """Constants, closed sets, former values and launcher flags say what the registry says."""
    main([], root)
    package = root / "semconv" / "otel_dbmon_semconv"
    attributes = runpy.run_path(str(package / "attributes.py"))
    assert attributes["LABEL_SERVICE"] == "service"
    assert attributes["TOY_SHAPE"] == "toy.shape"
    assert attributes["Shape"].VALUES == ("round", "square")
    assert attributes["SHAPE_OF"] == {"circle": "round"}
    metrics = runpy.run_path(str(package / "metrics.py"))
    assert metrics["TOYS_SOLD"].prometheus_name == "toys_sold_total"
    assert metrics["TOYS_SOLD"].attributes == ("service", "toy.shape")
    flags = runpy.run_path(str(package / "environment_variables.py"))
    assert [name for name in flags if name.startswith("OTEL_")] == ["OTEL_DBMON_TOYS"]


def test_pages_keep_their_authors_text(root: Path) -> None:
    """Only what stands between the markers of a README changes."""
    readme = root / "README.md"
    readme.write_text("before\n<!-- generated:settings -->\nold\n<!-- /generated -->\nafter <!-- note -->\n")
    assert main([], root) == 0
    text = readme.read_text()
    assert text.startswith("before\n<!-- generated:settings -->\n")
    assert "| `OTEL_TOY_LIMIT` | integer | `3` | Most toys. |" in text
    assert "old" not in text
    assert text.endswith("\n<!-- /generated -->\nafter <!-- note -->\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<!-- generated:toys -->\n<!-- /generated -->", "README.md: marker 'toys' is not one of settings, metrics"),
        ("<!-- generated:settings -->\n", "README.md: marker 'settings' has no end"),
    ],
)
def test_markers_are_checked(root: Path, capsys: pytest.CaptureFixture[str], text: str, problem: str) -> None:
    """An unknown or open marker is named instead of eating a page."""
    (root / "README.md").write_text(text)
    assert main([], root) == 2
    assert problem in capsys.readouterr().err
    assert (root / "README.md").read_text() == text


@pytest.mark.parametrize("path", _BROKEN, ids=lambda path: path.stem)
def test_broken_registry_is_refused(root: Path, capsys: pytest.CaptureFixture[str], path: Path) -> None:
    """Each file in ``broken/`` spoils the sound registry in one way; the error names the file and the entry."""
    case = yaml.safe_load(path.read_text())
    spoiled = root / "semconv" / "registry" / case["file"]
    sound = spoiled.read_text()
    assert case["replace"] in sound
    spoiled.write_text(sound.replace(case["replace"], case["by"], 1))
    assert main([], root) == 2
    assert capsys.readouterr().err.startswith(case["error"])
    assert not (root / "docs").exists()


@given(text=st.text(max_size=60))
@settings(deadline=None)
def test_any_description_is_kept_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever characters a description holds: it is in the generated module as it is, or the registry is refused."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(_HERE / "registry", root / "semconv" / "registry")
    path = root / "semconv" / "registry" / "metrics.yaml"
    registry = yaml.safe_load(path.read_text())
    registry["families"][0]["metrics"][0]["brief"] = text + "."
    path.write_text(yaml.safe_dump(registry))
    status = main([], root)
    if status == 0:
        metrics = runpy.run_path(str(root / "semconv" / "otel_dbmon_semconv" / "metrics.py"))
        assert metrics["TOYS_SOLD"].description == text + "."
    assert status == 0 or not text.isprintable() or "\\" in text or '"""' in text
