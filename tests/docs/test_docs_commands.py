"""Every command of every page is run, or named in ``commands.yaml`` with why not and what is checked in its stead."""

from __future__ import annotations

import ast
import fnmatch
import json
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import instead
import promql_parser
import pytest
import sqlglot
import yaml
from launching import free_port
from promql import declared, labels_left
from reading import LANGUAGES, ROOT, Block, blocks, pages_with_commands
from shell import Shell

DATA: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("commands.yaml").read_text())
PAGES = pages_with_commands()
BLOCKS = list(blocks())
#: Prometheus's rules name what they record so.
_RECORDED = re.compile(r"\w:\w")


def _of(*languages: str) -> list[Any]:
    return [pytest.param(block, id=str(block)) for block in BLOCKS if block.language in languages]


def test_every_block_says_what_it_is() -> None:
    """Or is one of commands by the look of it: those in others would be found by nobody."""
    assert [str(block) for block in BLOCKS if block.language not in LANGUAGES] == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_page(page: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """All of them, in the order in which they are read."""
    settings = next((found for name, found in DATA["pages"].items() if fnmatch.fnmatch(page, name)), None)
    assert settings is not None, f"{page} has commands, and commands.yaml does not name it"
    if sys.platform == "win32":
        pytest.skip("the pages' commands are for a POSIX shell")
    commands = PAGES[page]
    to_run = [command for command in commands if _instead(page, command) is None]
    needs = {name: request.getfixturevalue(name) for name in settings.get("needs", ()) if _is_asked(name, to_run)}
    folder = _prepared(settings["folder"], tmp_path / "folder", page, needs)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    addresses = _addresses(needs)
    with Shell(folder, _environment(needs, addresses), addresses, scratch) as shell:
        for command in commands:
            rule = _instead(page, command)
            if rule is None:
                shell.run(command)
            else:
                getattr(instead, rule["check"])(command, shell.folder)
        for text in settings.get("says", ()):
            shell.wait_until_said(text)


def _instead(page: str, command: str) -> Mapping[str, str] | None:
    for rule in DATA["instead"]:
        if fnmatch.fnmatch(page, rule.get("page", "*")) and re.fullmatch(rule["match"], command):
            return dict(rule)
    return None


def _is_asked(name: str, commands: list[str]) -> bool:
    """Whether a runbook's commands speak to a server: most need one of three, and no page should wait for others."""
    words = {"alertmanager": "amtool", "postgres": "pg_isready|DATABASE_URL", "receiver": "4318|verify"}
    return any(re.search(words[name], command) for command in commands)


def _prepared(kind: str, folder: Path, page: str, needs: Mapping[str, str]) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "*.db", "queue")
    if kind == "checkout":
        shutil.copytree(ROOT / "examples", folder / "examples", ignore=ignored)
    elif kind == "services":
        _make_services(folder, page, needs)
    elif kind == "tests":
        folder.mkdir()
        (folder / "test_page.py").write_text("def test_page(dbmon):\n    dbmon.assert_max_queries(0)\n")
    else:
        shutil.copytree(ROOT / "examples" / kind, folder, ignore=ignored)
    return folder


def _make_services(folder: Path, page: str, needs: Mapping[str, str]) -> None:
    """A fleet of two, the inventory that the page shows, the tests' own environment, and a service's variables."""
    for name in ("user-svc", "order-svc"):
        service = folder / "backend" / name
        service.mkdir(parents=True)
        (service / "requirements.txt").write_text("flask\n")
        (service / "Procfile").write_text("web: python app.py\n")
    inventory = next((block.text for block in BLOCKS if block.page == page and block.language == "yaml"), "")
    (folder / "services.yaml").write_text(inventory)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / ".env").write_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={needs.get('receiver', '')}\n")


def _addresses(needs: Mapping[str, str]) -> dict[str, str]:
    """Ports and hosts as the pages have them -> as they are here."""
    first = free_port()
    addresses = {str(9464 + offset): str(first + offset) for offset in range(6)}
    addresses |= dict.fromkeys(("127.0.0.1:8080", "127.0.0.1:8000"), f"127.0.0.1:{free_port()}")
    if "receiver" in needs:
        addresses["http://localhost:4318"] = needs["receiver"]
    if "alertmanager" in needs:
        # A page says once where its configuration is; here the command names the address.
        addresses["amtool"] = f"amtool --alertmanager.url={needs['alertmanager']}"
    if "postgres" in needs:
        port = needs["postgres"].rpartition(":")[2].partition("/")[0]
        addresses["--host=db --port=5432"] = f"--host=127.0.0.1 --port={port}"
        addresses["postgresql://localhost/postgres"] = needs["postgres"]
    return addresses


def _environment(needs: Mapping[str, str], addresses: Mapping[str, str]) -> dict[str, str]:
    port = addresses["127.0.0.1:8080"].rpartition(":")[2]
    quiet = dict.fromkeys(("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"), "none")
    return {"PORT": port, "SHOP_PORT": port, "PAUSE": "0.2", "EVERY": "0.3", **({} if "receiver" in needs else quiet)}


def test_every_line_of_the_data_is_of_use() -> None:
    """Pages that are there (or are about to come), and lines that some command needs; each says why."""
    late = {"docs/report.md", "docs/top.md"}
    assert not [name for name in DATA["pages"] if name not in late and not fnmatch.filter(PAGES, name)]
    used = [rule for page, commands in PAGES.items() for command in commands if (rule := _instead(page, command))]
    assert not [rule for rule in DATA["instead"] if rule not in used and rule.get("page") not in late]
    assert all(len(rule["because"]) > 10 and hasattr(instead, rule["check"]) for rule in DATA["instead"])


@pytest.mark.parametrize("block", _of("python"))
def test_python_compiles(block: Block) -> None:
    """Each is a whole piece of Python."""
    ast.parse(block.text)


@pytest.mark.parametrize("block", _of("promql"))
def test_promql_asks_for_what_there_is(block: Block) -> None:
    """Expression by expression (one a line, if not all lines are one); recorded series have no labels to check here."""
    try:
        promql_parser.parse(block.text)
    except ValueError:
        expressions = block.text.splitlines()
    else:
        expressions = [block.text]
    for expression in expressions:
        promql_parser.parse(expression)
        if not _RECORDED.search(expression):
            labels_left(expression, declared())


@pytest.mark.parametrize("block", _of("yaml", "json"))
def test_data_parses(block: Block) -> None:
    """As what it says it is."""
    assert (yaml.safe_load if block.language == "yaml" else json.loads)(block.text)


@pytest.mark.parametrize("block", _of("sql"))
def test_sql_parses(block: Block) -> None:
    """In the dialect of MySQL or PostgreSQL."""
    dialect = "mysql" if "INNODB" in block.text else "postgres"
    assert all(sqlglot.parse(block.text, dialect=dialect))
