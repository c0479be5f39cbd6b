"""The rules of collector-config: what they use is declared, what they promise is there, promtool runs their cases."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from programs import need
from promql import Labels, UndeclaredError, declared, labels_left
from rulebook import CASES, ROOT, RULES, RUNBOOKS, Rule, alerts, rules

_PROMETHEUS = ROOT / "collector-config" / "prometheus" / "prometheus.yml"
_NAMES = [alert.name for alert in alerts()]


def _by_name(rule: Rule) -> str:
    return rule.name


def _series() -> dict[str, Labels]:
    """All series that a rule may use: those that arrive, and those that are recorded."""
    series = dict(declared())
    for rule in rules():
        if not rule.is_alert:
            series[rule.name] = labels_left(rule.expr, series)
    return series


@pytest.mark.parametrize("rule", rules(), ids=_by_name)
def test_names_in_rules_are_declared(rule: Rule) -> None:
    """Each series and label that a rule selects, groups or matches by is one that can arrive."""
    labels_left(rule.expr, _series())


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("rate(database_error_total[5m])", "no such series"),
        ('database_errors_total{kind="timeout"}', "no such label: kind"),
        ("sum by (svc) (database_errors_total)", "no such label: svc"),
        ("sum by (table) (sum by (service) (database_slow_queries_total))", "no such label: table"),
        ("database_connections_active / on (le) database_connections_max", "no such label: le"),
        ('label_replace(dbmon_dropped_total, "service", "$1", "pool", "(.*)")', "no such label: pool"),
        ('{__name__=~"database_nothing.*"}', "no such series"),
        ('count_values("value", up) by (service)', "no such label: service"),
    ],
)
def test_undeclared_names_are_found(expression: str, problem: str) -> None:
    """A slip in a name is found wherever it stands."""
    with pytest.raises(UndeclaredError, match=problem):
        labels_left(expression, declared())


@pytest.mark.parametrize(
    ("expression", "labels"),
    [
        ("sum by (service) (rate(database_errors_total[5m]))", {"service"}),
        (
            "histogram_quantile(0.9, sum by (service, le) (rate(database_query_duration_seconds_bucket[5m])))",
            {"service"},
        ),
        ("sum without (job, instance, what) (dbmon_dropped_total)", {"otel_metric_overflow"}),
        ("topk(3, sum by (table) (database_slow_queries_total))", {"table"}),
        ("max(up) + 1", set()),
        ('label_replace(sum by (job) (up), "service", "$1", "job", "(.*)")', {"job", "service"}),
        ("sum by (job) (up) * on (job) group_left (stage) dbmon_failures_total", {"job", "stage"}),
        ("sum by (job, instance) (up) * on (job) sum by (job) (up)", {"job"}),
        ("sum by (job, instance) (up) * ignoring (instance) sum by (job) (up)", {"job"}),
        ("sum by (job) (up) or sum by (instance) (up)", {"job", "instance"}),
    ],
)
def test_labels_are_followed(expression: str, labels: set[str]) -> None:
    """What is left of a series' labels is known behind every aggregation and match."""
    assert labels_left(expression, declared()) == labels


@pytest.mark.parametrize("alert", alerts(), ids=_by_name)
def test_an_alert_says_what_it_must(alert: Rule) -> None:
    """Severity, team, concern, summary, description, and the runbook of its own name."""
    assert alert.data["labels"].keys() == {"severity", "team", "concern"}
    assert alert.data["labels"]["severity"] in {"critical", "warning", "info", "none"}
    annotations = alert.data["annotations"]
    assert {"summary", "description", "runbook_url"} <= annotations.keys()
    assert annotations["runbook_url"] == f"docs/runbooks/{alert.name}.md"


@pytest.mark.parametrize("alert", alerts(), ids=_by_name)
def test_texts_use_labels_that_the_alert_has(alert: Rule) -> None:
    """No text of an alert names a label that its series lacks: Prometheus would print nothing there."""
    labels = labels_left(alert.expr, _series())
    text = yaml.safe_dump(alert.data["annotations"])
    assert set(re.findall(r"\$labels\.(\w+)", text)) - labels == set()


def test_alerts_have_distinct_names() -> None:
    """An alert's name is its runbook's and its case's, too."""
    assert len(set(_NAMES)) == len(_NAMES)


@pytest.mark.parametrize(("folder", "suffix"), [(CASES, ".yml"), (RUNBOOKS, ".md")], ids=["cases", "runbooks"])
def test_each_alert_has_a_case_and_a_runbook(folder: Path, suffix: str) -> None:
    """There is a file for each alert, and none for anything else."""
    assert {path.stem for path in folder.glob(f"*{suffix}") if path.stem != "README"} == set(_NAMES)


@pytest.mark.parametrize("alert", alerts(), ids=_by_name)
def test_a_runbook_has_its_sections(alert: Rule) -> None:
    """What it means, who is hurt, how to confirm, what to do, how to silence; queries in it use declared names."""
    text = (RUNBOOKS / f"{alert.name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {alert.name}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "What it means",
        "Who is hurt",
        "How to confirm",
        "What to do",
        "How to silence",
    ]
    assert f"alertname={alert.name}" in text
    for query in re.findall(r"^```promql\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        labels_left(query, _series())


def _run(*command: object) -> None:
    answer = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("name", _NAMES)
def test_an_alert_fires_stays_quiet_and_recovers(name: str) -> None:
    """promtool runs the alert's case."""
    _run(need("promtool"), "test", "rules", CASES / f"{name}.yml")


def test_cases_show_firing_quiet_and_recovery() -> None:
    """Each case looks at the alert while it fires and while it does not, before and after (a watchdog never stops)."""
    for name in set(_NAMES) - {"Watchdog"}:
        case = yaml.safe_load((CASES / f"{name}.yml").read_text(encoding="utf-8"))
        looks = case["tests"][0]["alert_rule_test"]
        fires = [bool(look.get("exp_alerts")) for look in looks]
        assert fires[0] is False, name
        assert fires[-1] is False, name
        assert True in fires, name


def test_promtool_accepts_rules_and_configuration() -> None:
    """The oldest Prometheus that is supported reads what is there."""
    promtool = need("promtool")
    _run(promtool, "check", "rules", *sorted(RULES.glob("*.yml")))
    _run(promtool, "check", "config", "--syntax-only", _PROMETHEUS)
