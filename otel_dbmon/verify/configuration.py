"""Checks the service's environment: settings that are used as they were meant, and certificates that hold."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from otel_dbmon.settings import load
from otel_dbmon.verify.check import Check
from otel_dbmon.verify.results import Result, failed, skipped, warning, worst
from otel_dbmon.verify.target import Target
from otel_dbmon_semconv.settings import SETTINGS

_SOON = timedelta(days=30)
_RENEW = "otel-dbmon deploy ... --apply (it renews what ends soon), then restart the stack"
_TLS = {
    "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "certificate",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY": "key",
}


def _settings(target: Target) -> Result:
    problems = []
    for entry in load(target.environment).entries():
        if entry.source not in ("default", "environment"):
            problems.append(failed(f"{entry.name}: {entry.source}", "correct it; `otel-dbmon settings` shows all"))
    known = {setting.name for setting in SETTINGS}
    for name in target.environment:
        if name.startswith("OTEL_DBMON_") and name not in known:
            problems.append(warning(f"{name} is no setting", "see docs/reference/settings.md for the right name"))
    if target.environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        problems.append(failed("OTEL_SDK_DISABLED=true switches everything off", "unset it"))
    if not load(target.environment).enabled:
        problems.append(failed("OTEL_DBMON_ENABLED=false switches otel-dbmon off", "unset it"))
    if not target.otlp:
        detail = "OTEL_EXPORTER_OTLP_ENDPOINT is not set: telemetry goes to localhost:4318, in the clear"
        problems.append(warning(detail, "set it, or let `otel-dbmon deploy` do it"))
    elif target.otlp.startswith("http://"):
        problems.append(warning(f"{target.otlp} is not encrypted", "use https:// with the stack's certificates"))
    problems += _overriding_bundles(target)
    changed = [entry.name for entry in load(target.environment).entries() if entry.source == "environment"]
    return worst(problems, f"every value is used as given ({len(changed)} differ from the defaults)")


def _overriding_bundles(target: Target) -> Iterator[Result]:
    """Variables that the HTTP library of the exporter puts above the certificate that the exporter is given."""
    if not target.environment.get("OTEL_EXPORTER_OTLP_CERTIFICATE") and target.secrets is None:
        return
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if target.environment.get(name):
            detail = f"{name} is set, and replaces the authority that OTEL_EXPORTER_OTLP_CERTIFICATE names"
            yield warning(detail, f"unset {name} for the service, or put the stack's ca.pem into that bundle")


def _certificates(target: Target) -> Result:
    files = {kind: Path(target.environment[name]) for name, kind in _TLS.items() if target.environment.get(name)}
    secrets = target.secrets
    found = [*(path for kind, path in files.items() if kind != "key")]
    keys = [files["key"]] if "key" in files else []
    if secrets is not None:
        found += sorted(secrets.glob("*.pem"))
        keys += sorted(secrets.glob("*.key"))
    if not found:
        return skipped(
            "no certificates are named", "give --secrets or --deployment, or set OTEL_EXPORTER_OTLP_CERTIFICATE"
        )
    problems = [problem for path in dict.fromkeys(found) for problem in _of_certificate(path)]
    problems += [problem for path in dict.fromkeys(keys) for problem in _of_key(path)]
    return worst(problems, f"{len(dict.fromkeys(found))} certificates hold for 30 days and more, keys are private")


def _of_certificate(path: Path) -> Iterator[Result]:
    try:
        certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except OSError as error:
        yield failed(f"{path}: {error.strerror}", "let the user who runs this read it, or correct its name")
    except (ValueError, IndexError):
        yield failed(f"{path}: no certificate", "otel-dbmon deploy makes new ones once it is moved away")
    else:
        left = certificate.not_valid_after_utc - datetime.now(timezone.utc)
        if left < timedelta(0):
            yield failed(f"{path}: ended {-left.days} days ago", _RENEW)
        elif left < _SOON:
            yield warning(f"{path}: ends in {left.days} days", _RENEW)


def _of_key(path: Path) -> Iterator[Result]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        yield failed(f"{path}: {error.strerror}", "let the user who runs this read it, or correct its name")
    except (ValueError, TypeError):
        yield failed(f"{path}: no private key", "otel-dbmon deploy makes new ones once it is moved away")
    else:
        if mode & 0o007:
            yield failed(
                f"{path}: others may read it", f"chmod 600 {path}; make new certificates if it was so for long"
            )


SETTINGS_CHECK = Check("settings", "Every setting is used as it was given.", _settings)
CERTIFICATES = Check("certificates", "Certificates hold for another 30 days, and keys are private.", _certificates)
