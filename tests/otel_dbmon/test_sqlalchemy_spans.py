"""The spans of SQLAlchemy's statements, as they start."""

from __future__ import annotations

from launching import labels, run


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
