"""Runs the console under the launcher with plans switched on, and reads the log events that arrive."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from launching import Launched, labels

APP = str(Path(__file__).parent / "apps" / "console.py")
#: After so many seconds a pattern is asked for again.
INTERVAL_S = 1.1
_ATTEMPTS = 6
SETTINGS = {
    "OTEL_DBMON_EXPLAIN": "slow",
    "OTEL_DBMON_EXPLAIN_INTERVAL": "1000",
    "OTEL_DBMON_SLOW_QUERY_THRESHOLD": "0",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_BLRP_SCHEDULE_DELAY": "100",
}


class Console(Launched):
    """A launched console; a context manager.

    Args:
        url: Its database.
        environment: More of its environment.
    """

    def __init__(self, url: str, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(APP, {**SETTINGS, "DATABASE_URL": url, **(environment or {})})

    def tell(self, **command: Any) -> Any:
        """Give a command and wait for its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return json.loads(self.output.readline())

    def send(self, client: str, sql: str, params: Any = None, times: int = 1) -> Any:
        """Let it send a statement; the seconds that took."""
        took = self.tell(client=client, sql=sql, params=params, times=times)
        assert isinstance(took, float), took
        return took

    def events(self, containing: str, kind: str = "slow_query") -> list[Any]:
        """The events of a kind about statements with this in their text."""
        found = [record for record in records(self.arrived.messages) if record.event_name == f"dbmon.{kind}"]
        return [record for record in found if containing in labels(record).get("db.query.text", "")]

    def wait_for(self, containing: str, kind: str = "slow_query", count: int = 1, within_s: float = 40) -> list[Any]:
        """These events, once there are so many."""
        deadline = time.monotonic() + within_s
        while len(found := self.events(containing, kind)) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(found) >= count, f"{len(found)} events about {containing}"
        return found

    def plan(self, client: str, sql: str, params: Any = None, of: str | None = None) -> dict[str, Any]:
        """Let it send a statement, and wait for what its event says; on a busy machine again, if it came too late."""
        text = sql if of is None else of
        for _ in range(_ATTEMPTS):
            known = len(self.events(text))
            self.send(client, sql, params)
            said = labels(self.wait_for(text, count=known + 1)[-1])
            if said.get("dbmon.query.plan.missing") != "too_late":
                break
            time.sleep(INTERVAL_S)
        return said


def records(messages: list[Any]) -> Iterator[Any]:
    """All log records, in the order of arrival."""
    for message in messages:
        for resource in getattr(message, "resource_logs", ()):
            for scope in resource.scope_logs:
                yield from scope.log_records
