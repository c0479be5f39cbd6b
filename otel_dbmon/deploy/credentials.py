"""Takes a folder and the names of its owners, gives the changes that make it hold every certificate and password.

ca.pem  ca.key                                    the authority; its key is needed only here
<component>.pem  <component>.key                  one pair for each of `COMPONENTS`, for listening and for calling
<component>.password                              how a component logs in where certificates are not enough
web/<component>.yml                               what Prometheus and Alertmanager take as --web.config.file
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from otel_dbmon.deploy.certificates import Pair, authority, leaf, rotated_authority
from otel_dbmon.deploy.changes import PRIVATE, Change, change
from otel_dbmon.deploy.components import CALLERS, COMPONENTS, names_of
from otel_dbmon.deploy.passwords import hashed, new_password
from otel_dbmon.deploy.web_configs import hashes_in, web_config
from otel_dbmon.deploy.writing import write


@dataclass(frozen=True)
class Renewal:
    """What is made anew although it is still good.

    Attributes:
        certificates: Every certificate but the authority's, with new keys.
        authority: The authority as well; the old one stays trusted until the next time.
        passwords: Every password.
    """

    certificates: bool = False
    authority: bool = False
    passwords: bool = False


def create_secrets(folder: Path, domains: Sequence[str] = (), renewal: Renewal | None = None) -> list[Path]:
    """Make a folder hold every certificate and password; what is there and good stays as it is.

    Args:
        folder: Where they go; closed to everybody else if it is new.
        domains: Domains in which the components are known as well as by their names alone, ``monitoring.svc`` for one.
        renewal: What is made anew all the same.

    Returns:
        The files that were written.

    Raises:
        BrokenCertificateError: The authority that is there cannot be used.
    """
    changes = [found for found in plan_secrets(folder, domains, renewal) if found.is_needed]
    for found in changes:
        write(found.path, found.after, found.mode_after)
    return [found.path for found in changes]


def plan_secrets(
    folder: Path, domains: Sequence[str] = (), renewal: Renewal | None = None, now: datetime | None = None
) -> list[Change]:
    """The files of :func:`create_secrets`, in memory; those that stay as they are, too."""
    renewal = renewal or Renewal()
    now = now or datetime.now(timezone.utc)
    issuer = authority(_pair(folder, "ca"), now)
    if renewal.authority:
        issuer = rotated_authority(issuer, now)
    files = {"ca.pem": issuer.certificate, "ca.key": issuer.key}
    passwords = {}
    for component in COMPONENTS:
        present = None if renewal.certificates else _pair(folder, component)
        pair = leaf(present, issuer, component, names_of(component, tuple(domains)), now)
        files |= {f"{component}.pem": pair.certificate, f"{component}.key": pair.key}
        passwords[component] = (None if renewal.passwords else _password(folder, component)) or new_password()
        files[f"{component}.password"] = passwords[component].encode()
    hashes = _hashes(folder, passwords)
    for listener, callers in CALLERS.items():
        text = web_config(listener, {caller: hashes[caller] for caller in callers})
        files[f"web/{listener}.yml"] = text.encode()
    return [change(folder / name, content, PRIVATE) for name, content in files.items()]


def _hashes(folder: Path, passwords: Mapping[str, str]) -> dict[str, str]:
    """Caller -> hash: those that are there as long as they fit."""
    present: dict[str, str] = {}
    for listener in CALLERS:
        present |= hashes_in(_text(folder / "web" / f"{listener}.yml"))
    callers = {caller for listener in CALLERS.values() for caller in listener}
    return {caller: hashed(passwords[caller], present.get(caller)) for caller in callers}


def _pair(folder: Path, name: str) -> Pair | None:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    if not certificate.exists() and not key.exists():
        return None
    return Pair(certificate.read_bytes() if certificate.exists() else b"", key.read_bytes() if key.exists() else b"")


def _password(folder: Path, component: str) -> str | None:
    # An editor's line feed is no part of it.
    return _text(folder / f"{component}.password").strip() or None


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
