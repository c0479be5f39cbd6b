"""A report on what little is known: it says so, and compares nothing that cannot be compared."""

from __future__ import annotations

from dataclasses import replace

import pytest
from filling import DAY, END
from telling_hostile import report_with

from otel_dbmon.querying.prometheus import Prometheus
from otel_dbmon.report.gather import Gatherer
from otel_dbmon.report.html import as_html
from otel_dbmon.report.markdown import as_markdown
from otel_dbmon.report.model import Forecast, Pool
from otel_dbmon.report.period import Period
from otel_dbmon.report.telling import tell


@pytest.mark.parametrize(
    ("days_ago", "said"),
    [
        (20, "There is not a single statement in this time."),
        (1, "knows 0% of the period before, which is too little to compare with"),
        (0.75, "knows 25% of the period before, which is too little to compare with"),
    ],
    ids=["nothing", "the first day", "a day and a quarter"],
)
def test_what_is_not_known_is_said(prometheus: Prometheus, days_ago: float, said: str) -> None:
    """Before our metrics, on their first day, and a little later: no change is told, and no pattern is judged."""
    report = Gatherer(prometheus, Period(END - days_ago * DAY, DAY)).gather()
    document = tell(report)
    page = as_html(document)
    assert said in page
    assert said in as_markdown(document).replace("\\", "")
    assert not [change.text for _, _, change in document.facts if change.text]
    assert report.changes.tested == 0
    assert "There is no period before to compare with yet." in page


def test_a_gap_in_the_period_before_is_said(prometheus: Prometheus) -> None:
    """Where it is small enough to compare all the same."""
    report = Gatherer(prometheus, Period(END - 0.05 * DAY, DAY)).gather()
    assert "knows 96% of the period before" in as_html(tell(report))
    assert report.changes.tested > 0


@pytest.mark.parametrize(
    ("limit", "forecast", "shown"),
    [
        (None, Forecast("unknown"), "no limit"),
        (5.0, Forecast("full", exhausted_in_s=0.0), "full at peak"),
        (5.0, Forecast("steady", 0.0), "no trend"),
        (5.0, Forecast("shrinks", -0.1), "use shrinks"),
        (5.0, Forecast("unknown"), "too little known"),
        (5.0, Forecast("grows", 0.001), "grows, not full in sight"),
        (5.0, Forecast("grows", 0.1, 9 * DAY, 7 * DAY, 12 * DAY), "9 days (7 days to 12 days)"),
        (5.0, Forecast("grows", 0.1, 9 * DAY, 100 * 3600, None), "9 days (4 days to not in sight)"),
        (5.0, Forecast("grows", 0.1, 5 * 3600, 30, 800 * DAY), "5 hours (minutes to 2 years)"),
    ],
)
def test_a_forecast_is_told_in_words(limit: float | None, forecast: Forecast, shown: str) -> None:
    """As far as there is one."""
    report = report_with("shop")
    (pool,) = report.pools
    told: Pool = replace(pool, limit=limit, forecast=forecast)
    assert f">{shown}<" in as_html(tell(replace(report, pools=(told,))))
