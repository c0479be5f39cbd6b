"""What `make test` runs: the wheel, not the checkout, on every interpreter there is and on the oldest OpenTelemetry."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nox
from nox.command import CommandFailed

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
CLEAN_INSTALL = "tests/packaging/test_clean_install.py"
#: `make stack-test` runs it.
STACK = "tests/stack"
#: Databases, fork servers and whole services take minutes to start and stop; one environment of `make test` does all of
#: that, the one with the oldest OpenTelemetry most of it, the others nothing.
SERVERS = ("tests/postgres", "tests/processes", "tests/sentry", "tests/explain")
SERVICES = ("tests/examples", "tests/soak", "tests/otel_dbmon/test_demo_run.py")
#: What runs beside services is no Python of theirs: one environment is enough.
OPERATIONS = (
    "tests/advise",
    "tests/alerts",
    "tests/benchmarks",
    "tests/dashboards",
    "tests/docs",
    "tests/deploy/test_postgresql.py",
    "tests/deploy/test_stack.py",
    "tests/report",
)
#: What reads text, counts and writes files, and what people run: the age of OpenTelemetry is nothing to them.
AGELESS = (
    "tests/deploy",
    "tests/packaging",
    "tests/semconv",
    "tests/top",
    *(f"tests/otel_dbmon/test_{what}.py" for what in ("advise_sqlite", "advise_template", "cli_jsonlines", "querying")),
    *(
        f"tests/processors/test_{what}.py"
        for what in (
            "advice",
            "analysis",
            "classify",
            "corpora",
            "errors",
            "freetext",
            "lexer",
            "messages",
            "properties",
            "sql_properties",
            "urls",
        )
    ),
)
#: They run services and servers from outside, for what comes out of them: measuring the coverage of so many processes
#: takes minutes, and the others reach 95 % without.
UNMEASURED = ("tests/alerts", "tests/benchmarks", "tests/dashboards", "tests/docs", "tests/examples", "tests/soak")
#: They measure how long a process takes to end, so nothing runs beside them, nor is its coverage measured.
ALONE = "tests/processes/test_shutdown.py"
#: A file's tests share what they started, so a file stays together.
PARALLEL = ("-n", str(min(os.cpu_count() or 1, 4)), "--dist", "loadfile")

#: Where pip is told to look, in uv's words.
FOR_UV = {
    theirs: os.environ[name]
    for name, theirs in (
        ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
        ("PIP_EXTRA_INDEX_URL", "UV_INDEX"),
        ("PIP_FIND_LINKS", "UV_FIND_LINKS"),
        ("PIP_CERT", "SSL_CERT_FILE"),
    )
    if name in os.environ and theirs not in os.environ
}

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["build", "tests", "floor", "newest", "vendor", "package"]


def candidates(version: str) -> Iterator[Path]:
    """Every place where PATH, pyenv or uv may keep this version, usable or not."""
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"))
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    folders += sorted(pyenv.glob(f"versions/{version}.*/bin"), reverse=True)
    folders += sorted(home.glob(f".local/share/uv/python/cpython-{version}.*/bin"), reverse=True)
    return (python for folder in folders if (python := folder / f"python{version}").is_file())


def runs(python: Path) -> bool:
    """Whether it starts: a shim of a version that is not switched on exists, and only prints a message."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def interpreters() -> list[str]:
    """The supported versions this machine has, put on PATH for nox to find.

    A version that is nowhere is skipped, out loud. One that is there and does not run stays in the list: nox then says
    so, and fails where ``CI`` is set.
    """
    present = []
    for version in nox.project.python_versions(nox.project.load_toml("pyproject.toml")):
        found = list(candidates(version))
        if not found:
            sys.stderr.write(f"Python {version}: not on this machine, its tests are skipped\n")
            continue
        present.append(version)
        usable = next((python for python in found if runs(python)), None)
        if usable is not None:
            os.environ["PATH"] = f"{usable.parent}{os.pathsep}{os.environ['PATH']}"
    return present


PYTHONS = interpreters()
#: Coverage and everything else that one run is enough for.
MAIN = "3.11" if "3.11" in PYTHONS else PYTHONS[-1]


@nox.session(python=False)
def build(session: nox.Session) -> None:
    """Build the sdist, and the wheel from it."""
    shutil.rmtree(DIST, ignore_errors=True)
    session.run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(DIST), silent=True)
    for path in sorted(DIST.iterdir()):
        session.log(f"{path.name}: {path.stat().st_size:,} bytes")


def test_wheel(session: nox.Session, lock: str, *wanted: str) -> None:
    """Install the locked versions and the wheel; run the tests with nothing of the checkout on the import path.

    They run in a folder of their own: a process that a test starts has its current folder on the import path.
    """
    (wheel,) = DIST.glob("*.whl")
    install(session, "--require-hashes", "-r", f"requirements/{lock}.txt")
    install(session, "--no-deps", "--force-reinstall", str(wheel))
    session.chdir(session.create_tmp())
    run_pytest(session, *PARALLEL, *wanted, *session.posargs)


def install(session: nox.Session, *arguments: str) -> None:
    """By uv, in two seconds, or by pip, in twenty, which may be told of mirrors that uv does not know."""
    location = session.virtualenv.location
    uv = (sys.executable, "-m", "uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", location)
    try:
        session.run(*uv, *arguments, external=True, env=FOR_UV)
    except CommandFailed:
        session.warn("uv could not install that; pip tries")
        session.install("--quiet", *arguments)


def run_pytest(session: nox.Session, *arguments: str) -> None:
    """Run tests against what is installed, from wherever we are."""
    options = (f"--config-file={ROOT}/pyproject.toml", "-o", "pythonpath=")
    found = [f"{ROOT}/{argument}" if is_in_checkout(argument) else argument for argument in arguments]
    environment = {"DBMON_TEST_DIST": str(DIST), "DBMON_TEST_CHECKOUT": str(ROOT), "PYTHONDONTWRITEBYTECODE": None}
    session.run("python", str(ROOT / "tests" / "again.py"), *options, *found, env=environment)


def everything(session: nox.Session, *but: str) -> list[str]:
    """All tests but these and those with a session or a target of their own, unless the command line names some."""
    if any(is_in_checkout(argument) for argument in session.posargs):
        return []
    return ["tests", *(f"--ignore={ROOT / path}" for path in (CLEAN_INSTALL, STACK, ALONE, *but))]


def is_in_checkout(argument: str) -> bool:
    """Whether an argument of pytest names a file, a folder or a test."""
    return (ROOT / argument.partition("::")[0]).exists()


@nox.session(python=PYTHONS, requires=["build"])
def tests(session: nox.Session) -> None:
    """Run the tests against the wheel; on one interpreter with servers and coverage."""
    if session.python != MAIN:
        test_wheel(session, "test", *everything(session, *SERVERS, *SERVICES, *OPERATIONS))
    elif session.posargs:
        test_wheel(session, "test", *everything(session))
    else:
        coverage = ["--cov", f"--cov-config={ROOT}/pyproject.toml", "--cov-report=term", "--cov-fail-under=90"]
        test_wheel(session, "test", *everything(session, *UNMEASURED), *coverage)
        run_pytest(session, *PARALLEL, *UNMEASURED)
        run_pytest(session, ALONE)


@nox.session(python=[python for python in PYTHONS if python != MAIN], requires=["build"])
def servers(session: nox.Session) -> None:
    """Run the tests that start servers and services on the other interpreters, too (only when asked for)."""
    test_wheel(session, "test", *SERVERS, *SERVICES)


@nox.session(python=MAIN, requires=["build"])
def floor(session: nox.Session) -> None:
    """Run what OpenTelemetry has a part in, with servers too, on the oldest one that is supported."""
    test_wheel(session, "floor", *everything(session, *SERVICES, *OPERATIONS, *AGELESS))
    if not session.posargs:
        run_pytest(session, ALONE)


@nox.session(python=MAIN, requires=["build"])
def newest(session: nox.Session) -> None:
    """Run the tests of databases on SQLAlchemy's next release, which upstream's instrumentation refuses."""
    sentry = "tests/sentry/test_slow_query.py"
    test_wheel(session, "newest", "tests/postgres", sentry, "tests/otel_dbmon/test_launcher.py")


@nox.session(python=MAIN, requires=["build"])
def vendor(session: nox.Session) -> None:
    """Run the tests beside another vendor's distro, which must be installed nowhere else."""
    test_wheel(session, "vendor", "tests/otel_dbmon/test_other_distro.py")


@nox.session(python=MAIN, requires=["build"])
def package(session: nox.Session) -> None:
    """Install the wheel into environments that hold nothing else, and use it there."""
    test_wheel(session, "test", CLEAN_INSTALL)
