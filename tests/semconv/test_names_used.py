"""Every name that the project's files use is declared in the registry: code, rules, dashboards, examples, pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from generator.registry import Attribute, Metric, read

_ROOT = Path(__file__).resolve().parents[2]
_ROOMS = ("otel_dbmon", "processors", "collector-config", "examples", "docs", "README.md")
_SUFFIXES = {".py", ".md", ".yaml", ".yml", ".json", ".toml", ".sh", ".env", ".txt", ".cfg", ".conf", ".tmpl", ".html"}

_REGISTRY = read(_ROOT / "semconv" / "registry")
_SETTINGS = {setting.declaration.name for setting in _REGISTRY.settings}
_METRICS = {metric.id for metric in _REGISTRY.metrics}
_ATTRIBUTES = {attribute.id for attribute in _REGISTRY.attributes}
_TEMPLATES = tuple(attribute.id + "." for attribute in _REGISTRY.attributes if attribute.is_template)
_SERIES = {
    metric.prometheus_name + suffix
    for metric in _REGISTRY.metrics
    for suffix in (("", "_bucket", "_sum", "_count") if metric.instrument == "histogram" else ("",))
} | {name.replace(".", "_") for name in _ATTRIBUTES}

_SETTING = re.compile(r"OTEL_DBMON_[A-Z][A-Z0-9_]*[A-Z0-9]")
#: What the collector's postgresql receiver calls events of its own.
_RECEIVER_EVENTS = {"db.server.query_sample", "db.server.top_query"}
#: Dotted names of the namespaces we use; what goes on with a bracket, a slash or a host's or file's end is no name.
_DOTTED = re.compile(
    r"(?<![\w./@:*-])(?:db|dbmon|database|net\.peer|server|error|exception|otel\.metric|url|http(?=\.(?:url|target)\b))(?:\.[a-z][a-z0-9_]*)+"
    r"(?![\w(/*-])(?!\.[\w*])"
)
#: Files, hosts, and an attribute of the pytest fixture.
_NOT_A_NAME = re.compile(
    r"^dbmon\.queries$|\.(?:py|ya?ml|json|md|sql|sqlite3?|db|log|sh|crt|key|pem|internal|local|com|net|example)$"
)
_PROMETHEUS = re.compile(
    r"(?<![\w:./-])(?:database_(?:quer|error|slow|n_plus|connection|index)|db_client_|dbmon_)[a-z0-9_]*[a-z0-9](?![\w:(])"
)


def _files() -> list[Path]:
    found = []
    for room in _ROOMS:
        path = _ROOT / room
        found += [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES)
    return [file for file in found if "node_modules" not in file.parts]


def _texts(path: Path) -> Iterator[str]:
    """The places where a name can stand: string constants of Python (docstrings too), whole text of anything else."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield text
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _undeclared(text: str) -> set[str]:
    settings = set(_SETTING.findall(text)) - _SETTINGS
    known = _METRICS | _ATTRIBUTES | _RECEIVER_EVENTS
    dotted = {name for name in _DOTTED.findall(text) if not _NOT_A_NAME.search(name)} - known
    series = set(_PROMETHEUS.findall(text)) - _SERIES
    return settings | {name for name in dotted if not name.startswith(_TEMPLATES)} | series


@pytest.mark.parametrize("path", _files(), ids=lambda path: path.relative_to(_ROOT).as_posix())
def test_names_are_declared(path: Path) -> None:
    """A file uses no setting, attribute, metric or series that the registry doesn't know."""
    assert set().union(*map(_undeclared, _texts(path))) == set()


@cache
def _emitted_constants() -> set[str]:
    """Names of constants that stand behind a dot or in an import of the code that a service runs."""
    words: set[str] = set()
    for path in (*(_ROOT / "otel_dbmon").rglob("*.py"), *(_ROOT / "processors").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                words.add(node.attr)
            elif isinstance(node, ast.alias):
                words.add(node.name)
    return words


@pytest.mark.parametrize(
    "entry",
    [*_REGISTRY.metrics, *(found for found in _REGISTRY.attributes if found.id.startswith("dbmon."))],
    ids=lambda entry: entry.id,
)
def test_reserved_says_whether_something_emits_it(entry: Metric | Attribute) -> None:
    """The reference pages promise what the code emits, no more and no less: ``reserved`` is true of all the rest."""
    constant = entry.id.replace(".", "_").upper()
    assert entry.reserved == (constant not in _emitted_constants())


@pytest.mark.parametrize(
    "text",
    [
        "OTEL_DBMON_SLOW_QUERY_TRESHOLD=5",
        'span.set_attribute("db.query.txt", 1)',
        "`dbmon.query.kind`",
        'attributes["db.client.connection.size"]',
        "sum(rate(database_error_total[5m]))",
        "histogram_quantile(0.95, database_query_duration_bucket)",
    ],
)
def test_undeclared_names_are_found(text: str) -> None:
    """The search sees a slip of each kind."""
    assert len(_undeclared(text)) == 1
