"""All checks, in order: what is installed, what is set, the way of data, alerts, strangers."""

from __future__ import annotations

from otel_dbmon.verify.alerting import ALERTMANAGER, RULES
from otel_dbmon.verify.check import Check
from otel_dbmon.verify.configuration import CERTIFICATES, SETTINGS_CHECK
from otel_dbmon.verify.pipeline import ACCEPTED, COLLECTOR, PROMETHEUS, SANITIZING, SENTRY, SERVICES
from otel_dbmon.verify.strangers import STRANGERS
from otel_dbmon.verify.versions import DISTROS, EXPORTERS, INSTRUMENTATIONS, VERSIONS

CHECKS: tuple[Check, ...] = (
    VERSIONS,
    DISTROS,
    EXPORTERS,
    INSTRUMENTATIONS,
    SETTINGS_CHECK,
    CERTIFICATES,
    SANITIZING,
    ACCEPTED,
    COLLECTOR,
    PROMETHEUS,
    SERVICES,
    RULES,
    ALERTMANAGER,
    *STRANGERS,
    SENTRY,
)
