"""What a person is told of a mistake in an inventory, and what comes out of one without."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from making import make

from otel_dbmon.deploy.inventory import from_arguments, read_inventory, schema
from otel_dbmon.deploy.problems import DeployError, InvalidInventoryError

CASES = yaml.safe_load((Path(__file__).parent / "inventories.yaml").read_text(encoding="utf-8"))
FOLDERS = {"user-svc/app.py": "", "order-svc/app.py": "", "notes.txt": ""}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["told"].partition(": ")[2][:50])
def test_a_mistake_is_told_with_its_line_and_field(
    case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says where and what; no value is repeated that might be a secret."""
    make(tmp_path, {**FOLDERS, "services.yaml": case["text"]})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInventoryError) as raised:
        read_inventory(Path("services.yaml"))
    lines = str(raised.value).splitlines()
    assert any(line.startswith(case["told"]) for line in lines), lines
    assert "hunter2" not in str(raised.value)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """In the order of the lines."""
    make(tmp_path, {"services.yaml": "services:\n  - nam: a\n    phase: x\nfoo: 1\n"})
    with pytest.raises(InvalidInventoryError) as raised:
        read_inventory(tmp_path / "services.yaml")
    assert [problem.line for problem in raised.value.problems] == [2, 2, 2, 3, 4]


def test_an_inventory_is_read(tmp_path: Path) -> None:
    """What holds for all is there for each; a service's own wins; the first is the canary."""
    text = """\
stage: production
environment: {OTEL_DBMON_TOP_QUERIES: 7, OTEL_DBMON_POOLS: true}
services:
  - name: user-svc
    path: user-svc
    team: accounts
  - name: order-svc
    path: ./order-svc
    env_file: prod.env
    environment: {OTEL_DBMON_TOP_QUERIES: "9"}
"""
    make(tmp_path, {**FOLDERS, "services.yaml": text})
    inventory = read_inventory(tmp_path / "services.yaml")
    users, orders = inventory.services
    assert (users.name, users.folder, users.phase, users.team) == ("user-svc", tmp_path / "user-svc", 1, "accounts")
    assert users.environment == {"OTEL_DBMON_TOP_QUERIES": "7", "OTEL_DBMON_POOLS": "true"}
    assert (orders.phase, orders.env_file) == (2, tmp_path / "order-svc" / "prod.env")
    assert orders.environment["OTEL_DBMON_TOP_QUERIES"] == "9"
    assert inventory.stage == "production"


def test_services_of_the_command_line(tmp_path: Path) -> None:
    """The same checks, without lines."""
    make(tmp_path, FOLDERS)
    inventory = from_arguments(["user-svc=./user-svc", "order-svc=order-svc"], tmp_path)
    assert [(service.name, service.phase) for service in inventory.services] == [("user-svc", 1), ("order-svc", 2)]
    for wrong, told in (("user-svc", "not name=folder"), ("user-svc=nowhere", "there is no such folder")):
        with pytest.raises(InvalidInventoryError, match=told):
            from_arguments([wrong], tmp_path)


@pytest.mark.parametrize(("content", "told"), [(b"\xff", "not UTF-8"), (b"#" * 2_000_000, "longer than")])
def test_what_is_no_inventory_at_all(content: bytes, told: str, tmp_path: Path) -> None:
    """Neither is read to the end."""
    (tmp_path / "services.yaml").write_bytes(content)
    with pytest.raises(DeployError, match=told):
        read_inventory(tmp_path / "services.yaml")


def test_the_schema_is_one() -> None:
    """Editors take it."""
    Draft202012Validator.check_schema(schema())


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["services", "name", "path", "environment", "phase", "OTEL_DBMON_POOLS", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=40, deadline=None)
@given(data=values)
def test_no_data_is_too_odd(data: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever stands there, the answer is an inventory or a list of mistakes."""
    path = tmp_path_factory.getbasetemp() / "odd.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    with suppress(InvalidInventoryError):
        assert read_inventory(path).services
