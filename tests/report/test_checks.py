"""The page's own PromQL gives the page's own numbers; and a Prometheus that wants to see who asks is shown it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filling import DAY, END
from prometheus_server import running

from otel_dbmon.command import main
from otel_dbmon.querying.prometheus import Prometheus
from otel_dbmon.report import wording
from otel_dbmon.report.document import Document, Section
from otel_dbmon.report.gather import Gatherer
from otel_dbmon.report.period import Period
from otel_dbmon.report.telling import tell

#: How a number may be shown, by what its question says it is.
FORMS: tuple[Callable[[float], str], ...] = (wording.count, wording.seconds, wording.share)


@pytest.fixture(scope="module")
def document(prometheus: Prometheus) -> Document:
    """The page on the last day."""
    return tell(Gatherer(prometheus, Period(END, DAY)).gather())


def rows(section: Section) -> list[set[str]]:
    """What stands in each row of a section's tables."""
    return [{cell.text for cell in row} for table in section.tables for row in table.rows]


@pytest.mark.parametrize("key", ["services", "patterns", "tables", "errors", "pools", "n-plus-one", "indexes"])
def test_questions_give_the_numbers_above_them(prometheus: Prometheus, document: Document, key: str) -> None:
    """What Prometheus answers for a row's names stands in that row, as the page words numbers."""
    (section,) = (found for found in document.sections if found.key == key)
    found = 0
    for question in section.questions:
        # Statements are what the shares of errors are of, and charts have their own test.
        if question.step_s or (key, question.of) == ("errors", "Statements"):
            continue
        for sample in prometheus.instant(question.promql, END):
            named = [row for row in rows(section) if set(sample.labels.values()) <= row]
            forms = {form(sample.value) for form in FORMS}
            found += len(named)
            assert not named or sample.value == 0 or any(row & forms for row in named), (question, sample)
    assert found


def test_questions_give_the_means_that_became_worse(prometheus: Prometheus, document: Document) -> None:
    """Seconds by calls, at the end of the period and at that of the one before."""
    (section,) = (found for found in document.sections if found.key == "worse")
    questions = {question.of: question.promql for question in section.questions}
    slower = section.tables[0].rows
    assert slower
    for row in slower:
        service, summary, fingerprint, before, now, *_ = (cell.text for cell in row)
        for shown, at in ((before, END - DAY), (now, END)):
            calls, seconds = (
                next(
                    sample.value
                    for sample in prometheus.instant(questions[of], at)
                    if {service, summary, fingerprint} == set(sample.labels.values())
                )
                for of in ("Calls in all", "Seconds in all")
            )
            assert shown == wording.seconds(seconds / calls)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A Prometheus that listens as `deploy` has it, with TLS and to those with a password only; and the secrets."""
    credentials = pytest.importorskip("otel_dbmon.deploy.credentials", reason="the extra of deploy is not installed")
    folder = tmp_path_factory.mktemp("locked")
    secrets = folder / "secrets"
    credentials.create_secrets(secrets)
    password = (secrets / "operator.password").read_text().strip()
    ask = {
        "verify": str(secrets / "ca.pem"),
        "cert": (str(secrets / "operator.pem"), str(secrets / "operator.key")),
        "auth": ("operator", password),
    }
    option = f"--web.config.file={secrets / 'web' / 'prometheus.yml'}"
    with running(folder, option, scheme="https", ask=ask) as url:
        yield url, secrets


def test_a_locked_prometheus_is_asked_with_the_secrets(locked: tuple[str, Path], tmp_path: Path) -> None:
    """It is empty, and the report says that: a page, no failure."""
    url, secrets = locked
    target = tmp_path / "report.json"
    assert main(["report", "--prometheus", url, "--secrets", str(secrets), "--json", str(target)]) == 0
    assert json.loads(target.read_text())["services"] == []


@pytest.mark.parametrize("given", [(), ("--ca",), ("--ca", "--cert", "--key")])
def test_without_all_of_them_it_is_said(
    locked: tuple[str, Path], given: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Who does not know the authority, has no certificate or no password gets no report, and a reason."""
    url, secrets = locked
    files = {"--ca": "ca.pem", "--cert": "operator.pem", "--key": "operator.key"}
    options = [text for option in given for text in (option, str(secrets / files[option]))]
    assert main(["report", "--prometheus", url, *options]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"Error: {url}")
    assert ("answered 401" in said) == (len(given) == 3)
