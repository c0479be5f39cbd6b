"""Takes what Kubernetes gets, gives kustomization.yaml, which makes ConfigMaps and Secrets of the very files beside it.

Names of most of them end in a hash of their content, so that a new rule or a renewed certificate restarts whoever uses
it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

from ruamel.yaml import YAML

#: ConfigMap -> the folder whose files it holds, or the one file.
_CONFIGS = {
    "collector": "collector",
    "prometheus": "prometheus/prometheus.yml",
    "prometheus-rules": "prometheus/rules",
    "prometheus-targets": "prometheus/targets",
    "alertmanager": "alertmanager/alertmanager.yml",
    "alertmanager-templates": "alertmanager/templates",
    "grafana-datasources": "grafana/provisioning/datasources",
    "grafana-providers": "grafana/provisioning/dashboards",
    "grafana-dashboards": "grafana/dashboards",
}
#: Secret -> what it holds of the folder `secrets`.
_SECRETS = {
    "agent": ("ca.pem", "agent.pem", "agent.key"),
    "gateway": ("ca.pem", "gateway.pem", "gateway.key", "gateway.password"),
    "prometheus": ("ca.pem", "prometheus.pem", "prometheus.key", "prometheus.password", "web/prometheus.yml"),
    "alertmanager": (
        "ca.pem",
        "alertmanager.pem",
        "alertmanager.key",
        "alertmanager.password",
        "web/alertmanager.yml",
    ),
    "grafana": ("ca.pem", "grafana.pem", "grafana.key", "grafana.password", "operator.password"),
    "report": ("ca.pem", "operator.pem", "operator.key", "operator.password"),
}
#: What a service's pod gets from the operator, which knows the name and not the hash.
SERVICE_SECRET = "otel-dbmon-service"
_SERVICE_FILES = ("ca.pem", "service.pem", "service.key")


def kustomization(files: Iterable[str], manifests: Sequence[str], namespace: str, of_services: Sequence[str]) -> str:
    """The text of kustomization.yaml.

    Args:
        files: Every file of the stack, by its name in the output folder.
        manifests: Those that are manifests.
        namespace: The stack's.
        of_services: Namespaces of services.
    """
    names = sorted(files)
    data: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(manifests),
        "configMapGenerator": [
            {"name": name, "namespace": namespace, "files": _below(names, place)} for name, place in _CONFIGS.items()
        ],
        "secretGenerator": [
            {"name": name, "namespace": namespace, "files": [f"secrets/{file}" for file in held]}
            for name, held in _SECRETS.items()
        ]
        + [
            {
                "name": SERVICE_SECRET,
                "namespace": one,
                "files": [f"secrets/{file}" for file in _SERVICE_FILES],
                "options": {"disableNameSuffixHash": True},
            }
            for one in of_services
        ],
    }
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 200
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    out = io.StringIO()
    out.write("# Written by `otel-dbmon deploy`: kubectl apply -k .\n")
    yaml.dump(data, out)
    return out.getvalue()


def _below(names: Sequence[str], place: str) -> list[str]:
    return [name for name in names if name == place or PurePosixPath(place) in PurePosixPath(name).parents]
