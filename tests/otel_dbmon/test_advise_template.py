"""What a server is asked to plan: no value in it, and a parameter only where one may stand."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_dbmon.advise.template import template_of
from otel_dbmon.explain.template import TemplateError, colon, dollar

CASES = [
    (dialect, case)
    for dialect, cases in yaml.safe_load((Path(__file__).parent / "advise_templates.yaml").read_text()).items()
    for case in cases
]


@pytest.mark.parametrize(
    ("dialect", "case"), CASES, ids=lambda found: found if isinstance(found, str) else found["sql"]
)
def test_a_statement_becomes_a_template(dialect: str, case: dict[str, str]) -> None:
    """The text, or why there is none."""
    if "fails" in case:
        with pytest.raises(TemplateError) as raised:
            template_of(case["sql"], dialect)
        assert str(raised.value) == case["fails"]
    else:
        style = dollar if dialect == "postgres" else colon
        assert template_of(case["sql"], dialect).text(style) == case["is"]


def test_an_unknown_limit_is_said() -> None:
    """The reader learns what was assumed, and the assumption can be given."""
    found = template_of("SELECT * FROM t LIMIT $1", "postgres", limit=7)
    assert (found.text(dollar), found.remarks) == ("SELECT * FROM t LIMIT 7", ("LIMIT taken to be 7",))


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="'\x00"), max_size=30))
def test_no_string_survives(value: str) -> None:
    """Whatever a string holds, the template is the same."""
    assert template_of(f"SELECT * FROM t WHERE a = '{value}'", "postgres").text(dollar) == (
        "SELECT * FROM t WHERE a = $1"
    )


@settings(deadline=None)
@given(st.text("abc'\"$?%:;/*-()[]., \\123", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but our own error, and parameters counted without a gap."""
    try:
        found = template_of(text, "postgres")
    except TemplateError:
        return
    numbers = {piece.number for piece in found.pieces if not isinstance(piece, str)}
    assert numbers == set(range(1, found.parameters + 1))
