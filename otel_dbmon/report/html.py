"""Takes the document; answers with one HTML page that needs nothing else: no script, no request to anywhere."""

from __future__ import annotations

from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from otel_dbmon.report.charts import draw
from otel_dbmon.report.document import Chart, Document
from otel_dbmon.report.wording import visible


def as_html(document: Document) -> str:
    """The page."""
    return _environment().get_template("report.html.jinja").render(document=document)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("otel_dbmon.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["draw"] = _drawn
    environment.filters["visible"] = visible
    return environment


def _drawn(chart: Chart, key: str) -> Markup:
    # pygal builds a tree of elements and serialises it, so whatever comes from outside is text in there.
    return Markup(draw(chart, key))
