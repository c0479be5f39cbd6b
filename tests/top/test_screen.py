"""The view without a terminal: keys and clicks go in, what is on the screen is read as text."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack

import pytest
from launching import Launched, free_port
from textual.pilot import Pilot
from watching import lines_of, traffic, until

from otel_dbmon.querying.client import Client
from otel_dbmon.top.app import Top
from otel_dbmon.top.endpoint import Endpoints

Script = Callable[[Pilot[None]], Awaitable[None]]
ORDERS, USERS, MISSING = "SELECT orders", "SELECT users", "SELECT missing"


@pytest.fixture(scope="module")
def service() -> Iterator[Launched]:
    """A service that is always busy."""
    with traffic() as launched:
        assert launched.output.readline() == "ready\n"
        yield launched


def watch(port: int, script: Script, size: tuple[int, int] = (100, 30), **options: str) -> None:
    """Let somebody watch a service."""

    async def run() -> None:
        source = Endpoints([f"http://localhost:{port}"], Client(timeout_s=3))
        async with Top(source, 0.3, **options).run_test(size=size) as pilot:
            await script(pilot)

    asyncio.run(run())


def row_of(shown: str, summary: str) -> int:
    """In which line a query is."""
    return next(number for number, line in enumerate(shown.splitlines()) if summary in line and "N+1" not in line)


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (200, 60)])
def test_everything_is_on_the_screen(service: Launched, size: tuple[int, int]) -> None:
    """Source and age, totals, pools, queries with the costliest first, findings, keys; on small screens as well."""

    async def script(pilot: Pilot[None]) -> None:
        awaited = (ORDERS, "/s  n+1", "N+1 queries", "q quit")
        shown = await until(pilot, lambda shown: all(text in shown for text in awaited))
        for expected in (
            "data 0 s old",
            "calls/s  ",
            "pools  sqlite",
            "▼time/s",
            "p95 trend",
            USERS,
            "q quit",
            "? help",
        ):
            assert expected in shown
        assert "canary" not in shown
        assert row_of(shown, ORDERS) < row_of(shown, "CREATE TABLE")
        assert ("p50" in shown.splitlines()[3]) is (size[0] > 80)
        assert all(len(line) <= size[0] for line in shown.splitlines())

    watch(service.port, script, size)


def test_queries_are_sorted_by_keys_and_by_clicks(service: Launched) -> None:
    """The title says by what; a second click, or r, turns the order around."""

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda shown: ORDERS in shown and "<1 ms" in shown)
        await pilot.press("e")
        shown = await until(pilot, lambda shown: "▼errors" in shown or "▼err/s" in shown)
        assert row_of(shown, MISSING) == 4
        await pilot.press("r")
        shown = await until(pilot, lambda shown: "▲err/s" in shown)
        assert row_of(shown, MISSING) > row_of(shown, ORDERS)
        for key in "mpt":
            await pilot.press(key)
        await pilot.press("c")
        shown = await until(pilot, lambda shown: "▼calls/s" in shown)
        assert row_of(shown, ORDERS) == 4
        place = shown.splitlines()[3].index("time/s")
        await pilot.click("#queries", offset=(place, 0))
        await until(pilot, lambda shown: "▼time/s" in shown)
        await pilot.click("#queries", offset=(place, 0))
        await until(pilot, lambda shown: "▲time/s" in shown)

    watch(service.port, script)


def test_queries_are_filtered_while_somebody_types(service: Launched) -> None:
    """In whatever case; Enter keeps the filter, Escape ends it."""

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda shown: ORDERS in shown)
        await pilot.press("slash", *"T MISS")
        await until(pilot, lambda shown: MISSING in shown and USERS not in shown and "filter: T MISS" in shown)
        await pilot.press("enter", "c")
        await until(pilot, lambda shown: "▼calls/s" in shown and USERS not in shown)
        await pilot.press("escape")
        await until(pilot, lambda shown: USERS in shown and "filter:" not in shown)

    watch(service.port, script)


def test_a_query_tells_all_about_itself(service: Launched) -> None:
    """Statement without values, kind, trend, the line that sends it, analysis, advice; Escape leads back."""

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda shown: ORDERS in shown and "<1 ms" in shown)
        await pilot.press("slash", *ORDERS, "enter", "enter")
        shown = await until(pilot, lambda shown: "Advice" in shown)
        for expected in (
            "SELECT * FROM orders WHERE user_id = ?",
            "complexity low",
            "fingerprint ",
            "calls/s",
            "traffic.py:",
            "in __main__.serve_page",
            "Collect the keys and ask once",
            "esc back",
        ):
            assert expected in shown
        await pilot.press("escape")
        await until(pilot, lambda shown: "▼time/s" in shown)

    watch(service.port, script, (120, 50))


def test_a_held_screen_stands_still(service: Launched) -> None:
    """And says so; the next press lets it go on."""

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda shown: ORDERS in shown and "<1 ms" in shown)
        await pilot.press("space")
        held = (await until(pilot, lambda shown: "PAUSED" in shown)).splitlines()[1:]
        await asyncio.sleep(1)
        assert lines_of(pilot.app)[1:] == held
        await pilot.press("space")
        await until(pilot, lambda shown: "PAUSED" not in shown and shown.splitlines()[1:] != held)

    watch(service.port, script)


def test_help_says_which_keys_there_are(service: Launched) -> None:
    """On a screen of its own, on small ones as well."""

    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        shown = await until(pilot, lambda shown: "Keys" in shown)
        assert "reverse the order" in shown
        await pilot.press("escape")
        await until(pilot, lambda shown: "Keys" not in shown)
        await pilot.press("q")

    watch(service.port, script, (80, 24))


def test_a_vanished_endpoint_is_asked_again_until_it_is_back() -> None:
    """The figures stay, with their age; what the new process counts is no negative rate."""
    port = free_port()

    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda shown: "no answer, retrying (no data yet)" in shown)
        with ExitStack() as running:
            assert running.enter_context(traffic(port)).output.readline() == "ready\n"
            await until(pilot, lambda shown: ORDERS in shown and "<1 ms" in shown)
        shown = await until(pilot, lambda shown: "no answer, retrying (last data" in shown)
        assert ORDERS in shown
        with traffic(port) as again:
            assert again.output.readline() == "ready\n"
            shown = await until(pilot, lambda shown: "data 0 s old" in shown and "no answer" not in shown)
            assert " -" not in shown.splitlines()[1]

    watch(port, script)


def test_options_are_what_the_view_begins_with(service: Launched) -> None:
    """An order and a filter from the command line."""

    async def script(pilot: Pilot[None]) -> None:
        shown = await until(pilot, lambda shown: MISSING in shown and "▼p95" in shown)
        assert USERS not in shown

    watch(service.port, script, by="p95", containing="missing")
