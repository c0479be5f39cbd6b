"""URLs lose credentials and values and keep what a route is called. Cases are the lines of ``urls.jsonl``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_dbmon_processors.urls import URL_ATTRIBUTES, redact_query, redact_url

ROWS = [json.loads(line) for line in Path(__file__).with_name("urls.jsonl").read_text(encoding="utf-8").splitlines()]

#: A value with a tell-tale that no route is called by.
TELL = "zqxkvw"
values = st.text(st.characters(exclude_categories=("Cs",))).map(lambda text: f"{text}4711{TELL}")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["url"][:40])
def test_a_known_url(row: dict[str, str]) -> None:
    """Each line of the data file comes out exactly as it says, also a second time."""
    redact = URL_ATTRIBUTES[row["attribute"]]
    assert redact(row["url"]) == row["safe"]
    assert redact(row["safe"]) == row["safe"]


@given(value=values)
def test_no_query_value_survives(value: str) -> None:
    """Whatever is typed into a form, encoded or not."""
    for typed in (value, quote(value), quote(value, safe="")):
        assert TELL not in redact_query(f"q={typed}&page=1")
        assert TELL not in redact_query(typed)
        assert TELL not in redact_url(f"https://example.com/search?q={typed}&{typed}={typed}")


@given(value=values)
def test_no_password_survives(value: str) -> None:
    """User and password go, encoded as they must be or not."""
    assert TELL not in redact_url(f"https://{quote(value, safe='')}:{quote(value, safe='')}@example.com/x")
    assert TELL not in redact_url(f"postgresql://user:{value}@db:5432/shop")


@given(value=values)
def test_no_value_in_a_path_survives(value: str) -> None:
    """A segment with a digit, a sign or a letter of no route's alphabet is a value."""
    assert TELL not in redact_url(f"/users/{quote(value, safe='')}/orders")
    assert TELL not in redact_url(f"https://example.com/users/{quote(value, safe='@')}?x")


@given(value=values, cut=st.integers(0, 80))
def test_a_url_that_was_cut_off_is_safe(value: str, cut: int) -> None:
    """An attribute limit may cut anywhere."""
    assert TELL[:4] not in redact_url(f"https://bob:{value}@example.com/a/{quote(value)}?q={value}"[:cut])


@given(text=st.one_of(st.text(), st.text("ab1/?#&;=@:%[].-\\ ", max_size=40)))
def test_idempotent_on_any_text(text: str) -> None:
    """For any text at all nothing is raised, and the second time changes nothing."""
    for redact in (redact_url, redact_query):
        once = redact(text)
        assert redact(once) == once


@pytest.mark.parametrize("piece", ["a", "/", "?", "&", "=", "@", "a=b&", "%5B%5D", "[a]", "//", ":", "-a", "1", " "])
def test_a_megabyte_of_anything_takes_no_time(piece: str) -> None:
    """Linear, because bounded."""
    started = time.perf_counter()
    redact_url(piece * 1_000_000)
    redact_url("https://" + piece * 1_000_000)
    redact_query(piece * 1_000_000)
    assert time.perf_counter() - started < 5
