"""The pytest plugin that comes with the wheel: a test with an N+1 pattern fails, or warns; a fixture counts queries.

pytest loads this module in every run. What costs anything is loaded by the first test that uses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from otel_dbmon.testing import Recorder

_OPTION = "--dbmon-n-plus-one"
_MARKER = "allow_n_plus_one"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("otel-dbmon").addoption(
        _OPTION,
        choices=("fail", "warn"),
        default=None,
        help="what becomes of a test whose queries repeat row by row (an N+1 pattern)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Be there before the application makes its engines, if every test is to be looked at."""
    config.addinivalue_line("markers", f"{_MARKER}: queries of this test may repeat row by row")
    if config.getoption(_OPTION):
        from otel_dbmon.testing import recorder

        recorder()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Look at the queries of one test."""
    mode = item.config.getoption(_OPTION)
    if not mode:
        return (yield)
    from otel_dbmon.testing import NPlusOneWarning, recorder

    recording = recorder()
    recording.begin()
    result = yield
    story = "" if item.get_closest_marker(_MARKER) else recording.n_plus_ones()
    if story and mode == "fail":
        pytest.fail(story, pytrace=False)
    if story:
        item.warn(NPlusOneWarning(story))
    return result


@pytest.fixture
def dbmon(request: pytest.FixtureRequest) -> Recorder:
    """The queries of this test, and how many there may be: see ``Recorder``."""
    from otel_dbmon.testing import recorder

    recording = recorder()
    if not request.config.getoption(_OPTION):
        recording.begin()
    return recording
