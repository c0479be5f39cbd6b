"""The page and the Markdown hold names from outside as names, and nothing that anybody would have to fetch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from telling_hostile import report_with

import otel_dbmon.report
from otel_dbmon.report.as_json import as_json
from otel_dbmon.report.html import as_html
from otel_dbmon.report.markdown import as_markdown, code, escaped
from otel_dbmon.report.telling import tell

HOSTILE = [
    "<script>alert(1)</script>",
    "</style></svg><img src=x onerror=alert(1)>",
    '"><a href="javascript:alert(1)">',
    "a | b || c",
    "`code` ``more`` \\` ```",
    "one\ntwo\r\n\n# three\n- four\n| five |",
    "[a](http://elsewhere.example) ![b](http://elsewhere.example/b.png) <http://elsewhere.example>",
    "*a* _b_ ~~c~~ **d** &lt; &#x3c;",
    "{{ 7*7 }}{% raw %} ${jndi} #{x}",
    "\x1b[31mred\x00\u202egnp.exe\ufeff",
    "",
]
#: Everything by which a page can make a browser ask for something or run something.
_FETCHING = {"script", "img", "iframe", "object", "embed", "audio", "video", "source", "use", "image", "base", "form"}


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep it."""
        self.text += data


def tags(page: str) -> list[str]:
    """The page's elements, in order; a chart says long names in whole in a ``<title>``."""
    return [tag for tag, _ in Elements(page).found if tag != "title"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_makes_no_element(name: str) -> None:
    """The page has the same elements whatever things are called, and shows what is visible of their names."""
    page = as_html(tell(report_with(name)))
    if name:
        assert tags(page) == tags(as_html(tell(report_with("plain"))))
    text = " ".join(Elements(page).text.split())
    assert (
        " ".join(name.replace("\x1b", "�").replace("\x00", "�").replace("\u202e", "�").replace("\ufeff", "�").split())
        in text
    )
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page)


def test_nothing_is_fetched_or_run() -> None:
    """No element that fetches, no handler, no address but the page's own anchors; the policy forbids the rest."""
    page = as_html(tell(report_with(HOSTILE[6])))
    for tag, attributes in Elements(page).found:
        assert tag not in _FETCHING
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "xlink:href")]
        assert (attributes.get("href") or "#").startswith(("#", "data:,"))
        assert "url(" not in (attributes.get("style") or "")
    styles = "".join(re.findall(r"<style.*?</style>", page, re.DOTALL))
    assert "@import" not in styles
    assert "url(" not in styles
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


def test_names_are_given_once() -> None:
    """No two elements of the page have the same id."""
    ids = [
        attributes["id"] for _, attributes in Elements(as_html(tell(report_with("shop")))).found if "id" in attributes
    ]
    assert len(ids) == len(set(ids))


def test_every_section_says_how_to_check_it() -> None:
    """With PromQL, the moment to ask at, and the one for the period before."""
    page = as_html(tell(report_with("shop")))
    assert page.count("PromQL of these numbers") == 8
    assert "time=1772409600" in page
    assert "time=1772323200" in page
    assert "sum by (service, table) (increase(database_n_plus_one_total{service=&#34;shop&#34;}[1d]))" in page


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_holds_names_as_text(name: str) -> None:
    """Read as GitHub reads it, every table keeps its columns, and no name is a link, a heading, a picture or HTML."""
    tree = MarkdownIt("commonmark").enable("table")
    text = as_markdown(tell(report_with(name)))
    html = tree.render(text)
    expected = tree.render(as_markdown(tell(report_with("plain"))))
    if name:
        assert sorted(set(tags(html))) == sorted(set(tags(expected)))
        assert [tags(html).count(tag) for tag in ("tr", "td", "h1", "h2", "h3", "li")] == [
            tags(expected).count(tag) for tag in ("tr", "td", "h1", "h2", "h3", "li")
        ]
    assert not {"script", "img", "a"} & set(tags(html))


@given(st.text())
@settings(max_examples=200)
def test_any_text_survives_markdown(text: str) -> None:
    """As code and as words it reads as it is, apart from blanks and what cannot be seen."""
    tree = MarkdownIt("commonmark").enable("table")
    for form in (code, escaped):
        html = tree.render(f"x {form(text)} y")
        assert set(tags(html)) <= {"p", "code"}


def test_json_holds_every_number() -> None:
    """Unrounded, and nothing in it is no JSON."""
    assert '"p_value": 0.001' in as_json(report_with("shop"))


def luminance(colour: str) -> float:
    """How bright a colour is, by WCAG 2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def schemes() -> Iterator[dict[str, str]]:
    """The colours of each scheme: light, dark, paper."""
    css = (Path(otel_dbmon.report.__file__).parent / "templates" / "report.css").read_text()
    for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL):
        yield dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


def test_everything_can_be_read_in_every_scheme() -> None:
    """Text has the contrast of WCAG 2 AA (4.5), lines of charts that of graphics (3)."""
    found = list(schemes())
    assert len(found) == 3
    for colours in found:
        assert len(colours) == 14
        for name, least in [("text", 7), ("soft", 4.5), ("worse", 4.5), ("better", 4.5)] + [
            (f"line-{number}", 3) for number in range(1, 7)
        ]:
            for ground in ("page", "box"):
                bright, dim = sorted((luminance(colours[name]), luminance(colours[ground])), reverse=True)
                assert (bright + 0.05) / (dim + 0.05) >= least, (name, ground)
