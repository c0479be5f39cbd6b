"""The spans of SQLAlchemy's statements, as they start."""

from __future__ import annotations

from pathlib import Path

import pytest
from launching import Launched, labels, run


@pytest.mark.parametrize(
    ("url", "conventions"),
    [("sqlite://", "database"), ("sqlite:///FOLDER/shop.db", "database/dup"), ("sqlite:///:memory:", "none")],
)
def test_a_span_starts_as_contrib_would_have_started_it(url: str, conventions: str, tmp_path: Path) -> None:
    """Name, kind and attributes, for those who look at them before we rewrite them."""
    environment = {"APP_URL": url.replace("FOLDER", str(tmp_path)), "OTEL_SEMCONV_STABILITY_OPT_IN": conventions}
    with Launched("starting.py", environment) as launched:
        started = launched.output.readlines()
    assert len(started) == 12
    assert started[:6] == started[6:]


def test_a_text_is_cut_where_contrib_would_have_cut_it() -> None:
    """A limit of the user's holds for every statement, not for the first alone."""
    environment = {"APP_URL": "sqlite://", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "9"}
    with Launched("starting.py", environment) as launched:
        started = launched.output.readlines()
    assert started[:6] == started[6:]
    assert "/* a comm" in started[2]
    assert "/* a comment" not in started[2]


def test_what_others_put_on_a_span_stays_on_that_span() -> None:
    """Spans of one engine share what is the engine's, and nothing that belonged to the first request."""
    spans = run("tagging.py").arrived.statements()
    assert [labels(span)["request"] for span in spans] == ["first", "second"]
    assert [labels(span)["db.request"] for span in spans] == ["first", "second"]
    assert [labels(span)["db.system.name"] for span in spans] == ["sqlite", "sqlite"]


def test_the_older_conventions_are_kept_where_they_are_wanted() -> None:
    """Whoever opts in to nothing gets the old names, and the new ones that we write, on every span alike."""
    first, second = run("tagging.py", {"OTEL_SEMCONV_STABILITY_OPT_IN": "none"}).arrived.statements()
    assert labels(first).keys() == labels(second).keys()
    assert labels(second)["db.statement"] == "SELECT ?"
