"""Checks what is installed where the service runs: versions, distros, exporters, instrumentations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from otel_dbmon import __version__
from otel_dbmon.verify.check import Check
from otel_dbmon.verify.interpreter import installed
from otel_dbmon.verify.results import Result, failed, warning, worst
from otel_dbmon.verify.target import Target

#: Instrumentations that otel-dbmon starts itself, whatever upstream says of the library's version.
_TRIED = {"sqlalchemy"}
_DRIVERS = ("psycopg", "psycopg2", "psycopg2-binary", "asyncpg", "pymysql", "mysqlclient", "aiosqlite")
_INSTRUMENTATION = {"psycopg2-binary": "psycopg2", "aiosqlite": "sqlite3"}


def _versions(target: Target) -> Result:
    found = installed(target.python)["distributions"]
    ours = found.get("otel-dbmon")
    if ours is None:
        return failed(
            f"otel-dbmon is not installed for {target.python}", "pip install otel-dbmon, where the service runs"
        )
    problems = [*_wrong_release(ours["version"]), *_broken_requirements(found)]
    sdk = found.get("opentelemetry-sdk", {}).get("version", "none")
    python = installed(target.python)["python"]
    return worst(problems, f"otel-dbmon {ours['version']}, OpenTelemetry {sdk}, Python {python}")


def _wrong_release(version: str) -> Iterator[Result]:
    if version != __version__:
        detail = f"the service has otel-dbmon {version}, this command is of {__version__}"
        yield warning(detail, "verify with the release that the service has")


def _broken_requirements(found: Mapping[str, Any]) -> Iterator[Result]:
    """What otel-dbmon and OpenTelemetry's own distributions ask for and do not have."""
    for name, distribution in found.items():
        if name != "otel-dbmon" and not name.startswith("opentelemetry-"):
            continue
        for requirement in _requirements(distribution["requires"]):
            version = found.get(canonicalize_name(requirement.name), {}).get("version")
            if version is None or not requirement.specifier.contains(version, prereleases=True):
                has = f"it has {version}" if version else "it is not installed"
                yield failed(f"{name} needs {requirement}, {has}", f'pip install "{requirement}"')


def _requirements(texts: list[str], extra: str = "") -> Iterator[Requirement]:
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        marker = requirement.marker
        with_extra = marker is None or marker.evaluate({"extra": extra})
        if with_extra and (not extra or (marker is not None and not marker.evaluate({"extra": ""}))):
            requirement.marker = None
            yield requirement


def _distros(target: Target) -> Result:
    groups = installed(target.python)["groups"]
    problems = []
    for kind, variable in (("distro", "OTEL_PYTHON_DISTRO"), ("configurator", "OTEL_PYTHON_CONFIGURATOR")):
        names = sorted({point["name"] for point in groups[f"opentelemetry_{kind}"]})
        chosen = target.environment.get(variable, "")
        if "dbmon" not in names:
            problems.append(failed(f"otel-dbmon's {kind} is not registered", "install otel-dbmon again"))
        elif chosen and chosen not in names:
            problems.append(failed(f"{variable}={chosen} is not installed", f"set {variable}=dbmon"))
        elif len(names) > 1 and not chosen:
            detail = f"{len(names)} {kind}s are installed ({', '.join(names)}), and the first one found wins"
            problems.append(warning(detail, f"set {variable}=dbmon, or to the one you want"))
    return worst(problems, "otel-dbmon is what the launcher takes")


def _exporters(target: Target) -> Result:
    groups = installed(target.python)["groups"]
    problems = []
    for signal in ("traces", "metrics"):
        variable = f"OTEL_{signal.upper()}_EXPORTER"
        wanted = target.environment.get(variable, "otlp").split(",")
        names = {point["name"] for point in groups[f"opentelemetry_{signal}_exporter"]}
        for name in (text.strip() for text in wanted):
            if name == "none":
                problems.append(warning(f"{variable}=none: {signal} go nowhere", f"unset {variable}"))
            elif name and name not in names:
                problems.append(
                    failed(f"{variable}={name}: no such exporter", "pip install opentelemetry-exporter-otlp")
                )
    return worst(problems, "every exporter that is asked for is installed")


def _instrumentations(target: Target) -> Result:
    found = installed(target.python)["distributions"]
    problems = [*_refused(found), *_missing(found)]
    with_sqlalchemy = f", SQLAlchemy {found['sqlalchemy']['version']}" if "sqlalchemy" in found else ""
    drivers = [f"{name} {found[name]['version']}" for name in _DRIVERS if name in found]
    return worst(problems, f"every driver is instrumented: {', '.join(drivers) or 'none'}{with_sqlalchemy}")


def _refused(found: Mapping[str, Any]) -> Iterator[Result]:
    """Libraries in a version that their instrumentation does not take: it would say so once, and do nothing."""
    for name, distribution in found.items():
        if not name.startswith("opentelemetry-instrumentation-"):
            continue
        for requirement in _requirements(distribution["requires"], "instruments"):
            library = canonicalize_name(requirement.name)
            version = found.get(library, {}).get("version")
            if version is None or requirement.specifier.contains(version, prereleases=True):
                continue
            detail = f"{name} refuses {library} {version} (it wants {requirement.specifier})"
            if library in _TRIED:
                yield warning(f"{detail}; otel-dbmon instruments it all the same", "nothing, if statements are counted")
            else:
                yield failed(detail, f'pip install "{requirement}", or a newer {name}')


def _missing(found: Mapping[str, Any]) -> Iterator[Result]:
    for driver in _DRIVERS:
        name = f"opentelemetry-instrumentation-{_INSTRUMENTATION.get(driver, driver)}"
        if driver in found and name not in found:
            detail = f"{driver} is installed and not instrumented: its statements are counted only below SQLAlchemy"
            yield warning(detail, f"pip install {name}, if the service uses {driver} directly")


VERSIONS = Check("versions", "What is installed goes together.", _versions)
DISTROS = Check("distros", "The launcher starts otel-dbmon, and not another distro instead.", _distros)
EXPORTERS = Check("exporters", "What the service is told to export with is there.", _exporters)
INSTRUMENTATIONS = Check("instrumentations", "No library is in a version that is not seen.", _instrumentations)
