"""A celery worker with a pool of forked processes, which leave by ways of their own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from launching import labels
from serving import APPS, BIN, Nobody, Program, wait_for

TASKS = 20


class Working(Program):
    """A worker that has run all tasks.

    Attributes:
        sent: How many statements each pool process says it sent, by its process id.
    """

    def __init__(self, folder: Path, **options: Any) -> None:
        for name in ("queue", "control"):
            (folder / name).mkdir()
        self._folder = folder
        self._place = {"CELERY_FOLDER": str(folder), "DATABASE_URL": f"sqlite:///{folder}/shop.db"}
        quiet = ["--loglevel=warning", "--without-gossip", "--without-mingle", "--without-heartbeat"]
        command = [str(BIN / "celery"), "--app=tasks", "worker", "--pool=prefork", "--concurrency=2", *quiet]
        super().__init__(command, self._place, **options)

    def work(self) -> None:
        """Order tasks as another program would, and wait until all are done."""
        order = f"import tasks; [tasks.visit.delay(number) for number in range({TASKS})]"
        orderer = Program([sys.executable, "-c", order], {**self._place, "PYTHONPATH": str(APPS)}, launcher=False)
        with orderer:
            orderer.process.wait()
        notes = wait_for(self._notes, f"{TASKS} tasks", self.log)
        self.sent: Mapping[int, int] = {}
        for note in sorted(notes, key=lambda note: int(note["sent"])):
            self.sent = {**self.sent, note["pid"]: note["sent"]}

    def _notes(self) -> list[dict[str, int]] | None:
        notes = list(self._folder.glob("note-*.json"))
        return [json.loads(note.read_text()) for note in notes] if len(notes) == TASKS else None


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Working:
    """One worker, from its start to its end."""
    with Working(tmp_path_factory.mktemp("celery")) as worked:
        worked.work()
    return worked


def test_every_pool_process_counts_its_own_statements_once(worked: Working) -> None:
    """To the last one, though these processes leave without running any exit handler."""
    assert sorted((+worked.counted()).values()) == sorted(worked.sent.values())
    assert worked.spans() == sum(worked.sent.values()) == 3 * TASKS


def test_a_task_says_how_many_statements_it_sent(worked: Working) -> None:
    """A task is a request: its span has a remote parent, or none."""
    tasks = [labels(span) for span in worked.arrived.spans() if span.name == "run/tasks.visit"]
    assert [task["dbmon.db.query_count"] for task in tasks] == [3] * TASKS
    assert all(0 < task["dbmon.db.duration"] < 10 for task in tasks)


def test_starting_processes_log_in_peace(worked: Working) -> None:
    """celery gives its log handlers new locks in each of them, which no line of ours may be in the middle of."""
    assert "is taken" in worked.text()
    assert "Traceback" not in worked.text()


def test_a_dead_collector_keeps_no_worker_from_ending(tmp_path: Path) -> None:
    """celery takes seconds of its own to end; we add less than three to what it takes without us."""

    def seconds(name: str) -> float:
        (tmp_path / name).mkdir()
        with Working(tmp_path / name, launcher=name == "ours", collector=Nobody()) as working:
            working.work()
            working.end()
        return working.seconds

    with ThreadPoolExecutor(2) as pool:
        plain, ours = pool.map(seconds, ("plain", "ours"))
    assert ours - plain < 3 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
