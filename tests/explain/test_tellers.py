"""The end of a process waits for those who tell something, not for ever, and they do not wait for each other."""

from __future__ import annotations

import threading
import time

from otel_dbmon.explain.tellers import Tellers


def test_nobody_is_waited_for_where_nobody_tells() -> None:
    """It costs nothing then."""
    assert Tellers().wait(0)


def test_what_is_being_told_is_told_to_the_end() -> None:
    """By however many threads, which may all tell at once."""
    tellers, together, told = Tellers(), threading.Barrier(3), list[str]()

    def tell() -> None:
        with tellers:
            together.wait(timeout=20)
            time.sleep(0.05)
            told.append("told")

    threads = [threading.Thread(target=tell) for _ in range(2)]
    for thread in threads:
        thread.start()
    together.wait(timeout=20)
    assert tellers.wait(20)
    assert told == ["told", "told"]
    for thread in threads:
        thread.join()


def test_one_who_hangs_is_left_behind() -> None:
    """And one who fails is waited for no longer."""
    tellers, begun, end = Tellers(), threading.Event(), threading.Event()

    def hang() -> None:
        with tellers:
            begun.set()
            end.wait()

    thread = threading.Thread(target=hang)
    thread.start()
    begun.wait()
    assert not tellers.wait(0.01)
    end.set()
    thread.join()
    try:
        with tellers:
            raise ValueError
    except ValueError:
        assert tellers.wait(0)
