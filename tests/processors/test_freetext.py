"""Texts in an application's own words: the words stay, what looks like data goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_dbmon_processors.freetext import kind_of_value, leaves, mask_data, mask_source, typed_words


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Payment provider returned 502", "Payment provider returned ?"),
        ("hello from the worker", "hello from the worker"),
        ("no account for ann@example.com!", "no account for ?!"),
        ("could not save %s: %(name)s", "could not save %s: %(name)s"),
        ("user='ann' isn't known", "user=? isn't known"),
        ("see https://ann:secret@host/people?q=ann now", "see https://REDACTED:REDACTED@host/people?q=REDACTED now"),
        ("order=abc, id (4711).", "order=?, id (?)."),
        ("login failed, password: sesame", "login failed, ?"),
        ('said "hello', "said ?"),
        ("name is \u201eAnn\u201c", "name is ?"),
        ("shop.orders.Page failed in /srv/app/shop.py", "shop.orders.Page failed in /srv/app/shop.py"),
        ("", ""),
    ],
)
def test_words_stay_and_data_goes(text: str, masked: str) -> None:
    """What a text becomes."""
    assert mask_data(text) == masked


def test_a_word_that_is_known_to_be_a_value_goes() -> None:
    """Also inside a longer word, whatever its case."""
    assert mask_data("hello Zebulon, zebulon-junior and all", {"zebulon"}) == "hello ?, ? and all"


def test_values_tell_words_unless_they_are_ordinary_or_code() -> None:
    """Long texts, paths and statements are no values of the kind that turns up elsewhere."""
    values = ["'Zebulon Quux'", "'order'", "'/srv/zeta/app.py'", "'SELECT x FROM zulu WHERE (y)'", "z" * 81]
    assert typed_words(values) == {"zebulon", "quux"}


def test_a_variable_keeps_its_kind_only() -> None:
    """As stack frames show them."""
    shown = [
        "None",
        "True",
        "'ann'",
        "42",
        ["'ann'"],
        {"a": "'ann'"},
        "<shop.Person object at 0x7f00>",
        "Person('ann')",
    ]
    assert [kind_of_value(each) for each in shown] == [
        *("None", "True", "?", "?", "[...]", "{...}", "<shop.Person>", "?"),
    ]


def test_a_source_line_loses_what_is_quoted() -> None:
    """A statement with a pasted value, also where the line is in the middle of a longer text."""
    assert mask_source("""run("SELECT 1 FROM t WHERE name = 'ann'", x)""") == 'run("?", x)'
    assert mask_source("WHERE name = 'ann' AND y = 'z") == "WHERE name = '?' AND y = '?'"


def test_leaves_are_found_in_nested_data() -> None:
    """Keys are no values, and what nests without end is left."""
    endless: list[object] = ["a"]
    endless.append(endless)
    assert list(leaves({"key": ["a", ("b", {"c": "d"})], "e": 5})) == ["a", "b", "d"]
    assert set(leaves(endless)) == {"a"}


@given(st.text(max_size=200), st.sampled_from(["'{}'", '"{}"', "{}7", "a@{}", "x={}", "({}1)", "7{},"]))
def test_a_marked_value_never_stays(around: str, mark: str) -> None:
    """Whatever stands around it, as long as it does not close its quotes."""
    around = around.replace("'", "").replace('"', "").replace("`", "")
    assert "zebulon" not in mask_data(f"{around} {mark.format('zebulon')} {around}")
