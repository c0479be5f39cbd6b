"""The worst patterns come from our metrics in a real Prometheus, their texts from pg_stat_statements."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from cluster import PostgreSQL, private
from prometheus_server import backfill, running

from otel_dbmon.advise.asking import Request, ask
from otel_dbmon.advise.model import AdviceError
from otel_dbmon.advise.render import as_json
from otel_dbmon.command import main
from otel_dbmon.querying.client import Client
from otel_dbmon.querying.prometheus import Prometheus
from otel_dbmon_processors.analysis import analyze

#: As the application sends it, and as the server remembers it: with the literals' places numbered.
SENT = "SELECT id FROM visits  WHERE page = 'start' AND visitor IN (1, 2, 3) AND at > now() - interval '1 day' LIMIT 20"


@pytest.fixture(scope="module")
def visits() -> Iterator[str]:
    """The URL of a database in which the statement ran once."""
    with private(PostgreSQL) as server:
        with closing(psycopg.connect(server.url, autocommit=True)) as connection:
            connection.execute("CREATE EXTENSION hypopg; CREATE EXTENSION pg_stat_statements")
            connection.execute("CREATE TABLE visits (id int, page text, visitor int, at timestamptz)")
            connection.execute("INSERT INTO visits SELECT i, 'p' || i, i, now() FROM generate_series(1, 20000) i")
            connection.execute("ANALYZE")
            connection.execute(SENT)
        yield server.url


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Prometheus that has scraped two services for ten minutes."""
    folder = tmp_path_factory.mktemp("prometheus")
    now = int(time.time())
    lines: list[str] = []
    for metric, unit in (("calls", 40), ("duration_seconds", 2)):
        lines.append(f"# TYPE database_query_pattern_{metric} counter")
        for service, statement in (("web", SENT), ("jobs", SENT), ("jobs", "SELECT secret FROM elsewhere")):
            found = analyze(statement, "postgresql")
            labels = f'service="{service}",fingerprint="{found.fingerprint}",summary="{found.summary}"'
            for minute in range(11):
                stamp = now - 600 + 60 * minute
                lines.append(f"database_query_pattern_{metric}_total{{{labels}}} {minute * unit} {stamp}")
    backfill("\n".join([*lines, "# EOF", ""]), folder)
    with running(folder) as url:
        yield url


def test_metrics_say_what_is_worst(visits: str, prometheus: str) -> None:
    """Calls and services are the metrics' own; a text is found by the fingerprint, whoever wrote its literals."""
    texts: list[str] = []
    advice = ask(
        Request(visits, prometheus=Prometheus(prometheus, Client()), period="1h"),
        lambda found, prover: texts.append(as_json(found, prover)),
    )
    (suggestion,) = advice.suggestions
    (helped,) = suggestion.helped
    assert str(suggestion.index) in ("visits (visitor)", "visits (page)")
    assert helped.query.statement.services == ("jobs", "web")
    assert 700 < helped.query.statement.calls < 900
    assert [(found.shown, found.reason[:21]) for found in advice.unanalysed] == [
        ("SELECT elsewhere", "its text is not known")
    ]
    assert "start" not in texts[0]


@pytest.mark.parametrize(
    ("url", "code", "message"),
    [
        ("http://127.0.0.1:1", 1, "Connection refused"),
        ("ftp://127.0.0.1", 2, "no http"),
        ("http://user:secret@127.0.0.1:1", 1, "Connection refused"),
    ],
)
def test_a_prometheus_that_is_away_is_said(
    visits: str, url: str, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one sentence without a password."""
    assert main(["advise", visits, "--prometheus", url]) == code
    said = capsys.readouterr().err
    assert message in said
    assert "secret" not in said


def test_a_prometheus_without_our_metrics_is_said(visits: str, prometheus: str) -> None:
    """Rather than that there is nothing to do."""
    with pytest.raises(AdviceError, match="knows nothing of database_query_pattern_calls_total"):
        ask(Request(visits, prometheus=Prometheus(prometheus, Client()), period="1s"), lambda *_: None)
