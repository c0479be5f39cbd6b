"""Pools that are measured, and what a scrape says of them; shared by the tests of connection pools."""

from __future__ import annotations

import sqlite3
import time
import urllib.request
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from metering import Meters
from opentelemetry.sdk.metrics.export import MetricReader
from prometheus_client.parser import text_string_to_metric_families as parse_text
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import QueuePool

from otel_dbmon.pools import Pools
from otel_dbmon.prometheus import PrometheusEndpoint
from otel_dbmon_processors.config import Config
from otel_dbmon_processors.guard import Guard


class Watched:
    """Measured pools, and whoever reads what was measured.

    Attributes:
        pools: The registry under test.
        guard: What counts its failures.
    """

    def __init__(self, config: Config | None = None, readers: tuple[MetricReader, ...] = ()) -> None:
        self.guard = Guard()
        self.pools = Pools(config or Config(), self.guard)
        self._meters = Meters(readers, sources=[self.pools])

    @contextmanager
    def endpoint(self) -> Iterator[Callable[[], str]]:
        """Gives a function that scrapes the text Prometheus would get."""
        endpoint = PrometheusEndpoint("127.0.0.1", 0, guard=self.guard)
        self._meters.provider.add_metric_reader(endpoint.reader)
        endpoint.start()

        def scrape() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}/metrics", timeout=20) as response:
                text: str = response.read().decode()
                return text

        yield scrape
        endpoint.shutdown()

    def told(self) -> dict[str, dict[str, int]]:
        """Per pool: each gauge and counter of the ``database`` family, and how many each histogram counted."""
        told: dict[str, dict[str, int]] = {}
        for family in self.pools.collect():
            for point in family.points:
                pool = point.attributes.get("pool")
                if pool is not None:
                    value = point.value if hasattr(point, "value") else sum(point.counts)
                    told.setdefault(str(pool), {})[family.metric.name.rpartition(".")[2]] = value
        return told

    def only(self) -> dict[str, int]:
        """What is told of the one pool there is."""
        (told,) = self.told().values()
        return told


class Counted(sqlite3.Connection):
    """A connection that is in ``opened`` for as long as the driver has it open; it needs no closing."""

    opened: ClassVar[weakref.WeakSet[Counted]] = weakref.WeakSet()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Threads share the connections of a pool, and a collection may end one in any of them.
        super().__init__(*args, **{**kwargs, "check_same_thread": False})
        Counted.opened.add(self)

    def close(self) -> None:
        """As the driver does it."""
        Counted.opened.discard(self)
        super().close()

    def __del__(self) -> None:
        super().close()


def engine_on(folder: Path, **arguments: Any) -> Engine:
    """An engine on a database file of this folder, with a QueuePool if nothing else is said."""
    arguments.setdefault("poolclass", QueuePool)
    return create_engine(f"sqlite:///{folder / 'shop.db'}", connect_args={"factory": Counted}, **arguments)


def samples(text: str, name: str) -> list[tuple[dict[str, str], float]]:
    """The samples of one series in a scrape's text, without the label ``service``."""
    return [
        ({key: value for key, value in sample.labels.items() if key != "service"}, sample.value)
        for family in parse_text(text)
        for sample in family.samples
        if sample.name == name
    ]


def wait_until(holds: Callable[[], object]) -> None:
    """Wait until it holds.

    Raises:
        TimeoutError: It did not for 20 s.
    """
    deadline = time.monotonic() + 20
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.005)
