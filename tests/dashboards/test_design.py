"""What makes a page readable and honest: order on the grid, words on every panel, colours, links that lead on."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import yaml
from pages import FOLDER, GRAFANA, Target, pages, panels, targets

#: Okabe and Ito's: blue, orange and vermillion are told apart with any colour vision.
GOOD, WARNING, CRITICAL = "#0072B2", "#E69F00", "#D55E00"
PALETTE = {GOOD, WARNING, CRITICAL, "#56B4E9", "#009E73", "#CC79A7"}
SOURCES = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "otel-dbmon.yaml").read_text())["datasources"]

every_page = pytest.mark.parametrize("uid", pages())
every_panel = pytest.mark.parametrize(
    ("uid", "panel"),
    [(uid, panel) for uid, page in pages().items() for panel in panels(page)],
    ids=lambda value: value if isinstance(value, str) else value["title"],
)
every_target = pytest.mark.parametrize("target", targets(), ids=str)


def _values(node: Any, key: str) -> Iterator[Any]:
    """Everything that stands under this key, however deep."""
    if isinstance(node, dict):
        if key in node:
            yield node[key]
        for child in node.values():
            yield from _values(child, key)
    elif isinstance(node, list):
        for child in node:
            yield from _values(child, key)


@every_page
def test_panels_stand_side_by_side(uid: str) -> None:
    """No panel lies over another one or beside the grid, and none lies apart; ids are their own."""
    taken: set[tuple[int, int]] = set()
    bottom = 0
    for panel in pages()[uid]["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        assert place["y"] <= bottom
        taken |= cells
        bottom = max(bottom, place["y"] + place["h"])
    ids = [panel["id"] for panel in pages()[uid]["panels"]]
    assert len(set(ids)) == len(ids)


@every_page
def test_titles_are_their_own(uid: str) -> None:
    """Somebody on the phone can say which panel it is."""
    titles = [panel["title"] for panel in pages()[uid]["panels"]]
    assert len(set(titles)) == len(titles)


@every_panel
def test_a_panel_tells_what_to_do(uid: str, panel: dict[str, Any]) -> None:
    """It tells what it shows, what is normal and what to do; and which choices at the top do nothing to it."""
    text = panel["description"]
    parts = re.fullmatch(
        r"\*\*Shows\.\*\* (.+)\n\n\*\*Normal\.\*\* (.+)\n\n\*\*Otherwise\.\*\* ([^\n]+)(.*)", text, re.S
    )
    assert parts is not None
    assert all(part.rstrip()[-1] in ".?" for part in parts.groups()[:3])
    choices = {found["name"] for found in pages()[uid]["templating"]["list"]} - {"datasource", "job", "instance"}
    told = re.search(r"Not narrowed by: (.+)\.$", text)
    unmoved = {name for name in choices if any(f"${name}" not in target["expr"] for target in panel["targets"])}
    assert unmoved == (set(told.group(1).split(", ")) if told else set())


@every_panel
def test_colours_can_be_told_apart(uid: str, panel: dict[str, Any]) -> None:
    """Limits go from blue to orange to vermillion; other fixed colours are of the same palette."""
    for steps in _values(panel, "steps"):
        if isinstance(steps, list):
            assert [step["color"] for step in steps] == [GOOD, WARNING, CRITICAL][: len(steps)]
            assert steps[0]["value"] is None
            assert [step["value"] for step in steps[1:]] == sorted(step["value"] for step in steps[1:])
    assert set(_values(panel, "fixedColor")) <= PALETTE


@every_target
def test_quantiles_are_of_summed_buckets(target: Target) -> None:
    """A quantile is taken of the buckets of all processes together, never averaged; without NaN where nothing was."""
    for rest in target.expr.split("histogram_quantile(")[1:]:
        assert re.match(r"0\.\d+, sum by \(le[,)]", rest)
    assert target.expr.count("histogram_quantile(") == len(re.findall(r"\[[^\]]*\]\)\)\) >= 0", target.expr))


@every_target
def test_ratios_have_a_whole(target: Target) -> None:
    """What is divided by is more than zero, or the answer is left out."""
    for rest in re.split(r" / ", target.expr)[1:]:
        assert rest.startswith(("(", "scalar(", "$__range_s")), rest
    assert "or vector(0)" not in target.expr


@every_target
def test_exemplars_are_asked_for_where_there_are_some(target: Target) -> None:
    """Graphs of a histogram's buckets show the traces of single statements."""
    assert target.data["exemplar"] == ("_bucket{" in target.expr and not target.data["instant"])


def test_names_of_labels_and_metrics_are_not_typed_twice() -> None:
    """The generator takes the names of our series from the registry's constants."""
    for path in (GRAFANA / "boards").glob("*.py"):
        assert not re.search(r"\b(database|dbmon|db_client)_[a-z_]+(_total|_seconds|_active|_max)", path.read_text())


def test_links_lead_somewhere() -> None:
    """A page that a link opens is there, and has the variables that it sets."""
    urls = {url for page in pages().values() for url in _values(page["panels"], "url") if url.startswith("/d/")}
    assert len(urls) == 3
    for url in urls:
        uid, query = re.fullmatch(r"/d/([\w-]+)\?(.+)", url).groups()  # type: ignore[union-attr]
        names = {variable["name"] for variable in pages()[uid]["templating"]["list"]}
        assert {name.removeprefix("var-") for name in parse_qs(query) if name.startswith("var-")} <= names
        assert "${__url_time_range}" in query
        assert "${datasource:queryparam}" in query


def test_the_link_to_traces_is_a_search() -> None:
    """It opens a search for the pattern's spans in the trace store that provisioning names."""
    (url,) = {url for page in pages().values() for url in _values(page["panels"], "url") if "/explore" in url}
    panes = json.loads(unquote(re.search(r"panes=(.+)$", urlsplit(url).query).group(1)))  # type: ignore[union-attr]
    (pane,) = panes.values()
    assert pane["datasource"] in {source["uid"] for source in SOURCES if source["type"] == "tempo"}
    (query,) = pane["queries"]
    assert query["queryType"] == "traceql"
    assert 'span.dbmon.query.fingerprint="${__data.fields.fingerprint:percentencode}"' in query["query"]


def test_exemplars_lead_to_the_trace_store() -> None:
    """The metrics' data source knows which one has the traces."""
    metrics = next(source for source in SOURCES if source["type"] == "prometheus")
    (destination,) = metrics["jsonData"]["exemplarTraceIdDestinations"]
    assert destination["datasourceUid"] in {source["uid"] for source in SOURCES}


def test_provisioning_holds_no_secret() -> None:
    """Addresses are from the environment, what is secret is from files, and nobody is trusted unseen."""
    for source in SOURCES:
        assert re.fullmatch(r"\$\{DBMON_[A-Z]+_URL\}", source["url"])
        assert source["jsonData"]["tlsAuth"]
        assert source["jsonData"]["tlsAuthWithCACert"]
        assert "tlsSkipVerify" not in source["jsonData"]
        assert all(
            re.fullmatch(r"\$__file\{/run/secrets/[\w.-]+\}", value) for value in source["secureJsonData"].values()
        )


@pytest.fixture
def generator(tmp_path: Path) -> Path:
    """A copy of the generator and its files."""
    return Path(shutil.copytree(GRAFANA, tmp_path / "grafana"))


def _check(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "generate.py"), "--check"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_is_committed_is_what_is_generated(generator: Path) -> None:
    """Nobody edited a dashboard by hand."""
    run = _check(generator)
    assert (run.returncode, run.stderr) == (0, "")


def test_stale_dashboards_are_noticed_and_mended(generator: Path) -> None:
    """`--check` names what was edited, what is missing and what is left over; a run without it puts all right."""
    edited, missing, over = (generator / "dashboards" / f"{name}.json" for name in ("service", "capacity", "old"))
    missing.unlink()
    edited.write_text("{}\n")
    over.write_text("{}\n")
    run = _check(generator)
    assert run.returncode == 1
    assert all(path.name in run.stderr for path in (edited, missing, over))
    subprocess.run([sys.executable, str(generator / "generate.py")], check=True)
    assert _check(generator).returncode == 0
    assert {found.name for found in (generator / "dashboards").iterdir()} == {found.name for found in FOLDER.iterdir()}
