"""The programs of the stack: what each is called in a network, and who may call whom with which password."""

from __future__ import annotations

#: Everything that gets a certificate of its own; `service` is what monitored services share.
COMPONENTS = ("service", "agent", "gateway", "prometheus", "alertmanager", "grafana", "postgres", "operator")

#: Names every certificate holds besides the component's own.
LOOPBACK = ("localhost", "127.0.0.1", "::1")

#: What else a component is called; an asterisk stands for one label, as in any certificate.
ALIASES = {
    "agent": ("otel-agent",),
    "gateway": ("otel-gateway", "*.gateway"),
    "prometheus": ("dbmon-prometheus",),
    "alertmanager": ("dbmon-alertmanager",),
    "grafana": ("dbmon-grafana",),
    "postgres": ("db",),
}

#: Listener that speaks the exporter toolkit's web configuration -> who may log in there.
CALLERS = {
    "prometheus": ("gateway", "grafana", "operator", "prometheus"),
    "alertmanager": ("grafana", "operator", "prometheus"),
}


def names_of(component: str, domains: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Names and addresses that a component's certificate is valid for.

    Args:
        component: One of ``COMPONENTS``.
        domains: Domains that the component is known in as well, ``monitoring.svc`` for one.
    """
    own = (component, *ALIASES.get(component, ()))
    return (*own, *LOOPBACK, *(f"{component}.{domain}" for domain in domains))
