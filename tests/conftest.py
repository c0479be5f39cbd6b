"""What holds for all tests."""

from __future__ import annotations

import os
import signal

import pytest

#: Why a test may be skipped where ``CI`` is set: it is none for this interpreter or this session of noxfile.py.
_NEEDLESS = (
    "came with Python 3.11",
    "Python 3.10 cannot read TOML",
    "these tests see the checkout",
    "which has a session of its own in noxfile.py",
)


def pytest_configure() -> None:
    """Let Ctrl-C work: a run in the background ignores it, and so would every process that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where ``CI`` is set, fail if anything was skipped for want of what the project's own files install."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or os.environ.get("CI", "").lower() != "true":
        return
    skipped = [str(report.longrepr[-1]) for report in reporter.stats.get("skipped", ()) if report.longrepr]
    wanting = [reason for reason in skipped if not any(why in reason for why in _NEEDLESS)]
    if wanting:
        reporter.write_line("Skipped where CI is set: " + "; ".join(dict.fromkeys(wanting)), red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
