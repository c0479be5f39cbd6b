"""Checks that alerts can fire and reach somebody: rules are loaded and healthy, Alertmanager answers and is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ruamel.yaml import YAML

from otel_dbmon.deploy.problems import DeployError
from otel_dbmon.deploy.stack import find_templates
from otel_dbmon.verify.asking import ask_json, patiently
from otel_dbmon.verify.check import Check
from otel_dbmon.verify.results import Result, failed, ok, skipped, warning, worst
from otel_dbmon.verify.target import Target

#: Prometheus looks for whom to tell a few seconds after it is ready.
_DISCOVERY_S = 10.0


def expected_alerts() -> set[str]:
    """The names of the alerts that come with this release."""
    names: set[str] = set()
    for path in sorted((find_templates() / "prometheus" / "rules").glob("*.yml")):
        data: Any = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        names |= {rule["alert"] for group in data["groups"] for rule in group["rules"] if "alert" in rule}
    return names


def _rules(target: Target) -> Result:
    address = target.addresses.get("prometheus")
    if not address:
        return skipped("Prometheus's address is not known", "give --prometheus")
    groups = ask_json(f"{address.rstrip('/')}/api/v1/rules", target.secrets)["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    alerts = {rule["name"] for rule in rules if rule["type"] == "alerting"}
    return worst(list(_rule_problems(rules, alerts)), f"{len(alerts)} alerts are loaded, and every rule is healthy")


def _rule_problems(rules: list[Mapping[str, Any]], alerts: set[str]) -> Iterator[Result]:
    try:
        missing = expected_alerts() - alerts
    except DeployError as error:
        yield warning(str(error), "install otel-dbmon again")
        return
    if missing:
        advice = "load collector-config/prometheus/rules (rule_files), and reload Prometheus"
        yield failed(f"{len(missing)} alerts are not loaded: {', '.join(sorted(missing))}", advice)
    broken = [rule["name"] for rule in rules if rule.get("health") == "err"]
    if broken:
        yield failed(f"rules that fail: {', '.join(broken)}", "Status > Rules of Prometheus says why")


def _alertmanager(target: Target) -> Result:
    address, prometheus = target.addresses.get("alertmanager"), target.addresses.get("prometheus")
    if not address:
        return skipped("Alertmanager's address is not known", "give --alertmanager")
    status = ask_json(f"{address.rstrip('/')}/api/v2/status", target.secrets)
    version = status["versionInfo"]["version"]
    if prometheus:
        url = f"{prometheus.rstrip('/')}/api/v1/alertmanagers"

        def look() -> Any:
            return ask_json(url, target.secrets)["data"]["activeAlertmanagers"] or None

        if not patiently(look, min(target.timeout_s, _DISCOVERY_S)):
            return failed("Prometheus knows no Alertmanager", "see `alerting` in prometheus.yml, and targets/")
    return ok(f"Alertmanager {version} answers" + (", and Prometheus sends to it" if prometheus else ""))


RULES = Check("rules", "Every alert of this release is loaded and healthy.", _rules)
ALERTMANAGER = Check("alertmanager", "Alertmanager answers, and Prometheus knows it.", _alertmanager)
