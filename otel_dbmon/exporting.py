"""Reaches into what exports for the SDK's providers: lets it finish within a deadline, makes it usable after a fork.

The counterpart of ``sdk.py`` for batch processors, periodic readers and the exporters behind them; tested, like that,
on the oldest and the newest SDK that we support.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider

from otel_dbmon import sdk
from otel_dbmon_processors.guard import Guard

#: Connections of a parent, kept from being finalized: that takes locks which may have been held at the fork.
_parents_connections: list[object] = []


class Outlet(Protocol):
    """A thread of the SDK that exports, with what waits for it."""

    @property
    def thread(self) -> threading.Thread | None:
        """Who exports; None if nobody does."""

    @property
    def exporter(self) -> Any:
        """Where to."""

    def finish(self) -> None:
        """Have the thread export what there is, and end."""

    def close(self) -> None:
        """Keep the thread from exporting more, and the SDK's own shutdown from waiting for it."""

    def flush(self) -> None:
        """Export what there is, in the calling thread."""


class _Batches:
    """A batch processor of spans or log records."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch

    @property
    def thread(self) -> threading.Thread | None:
        thread: threading.Thread | None = None if self._batch._shutdown else self._batch._worker_thread
        return thread

    @property
    def exporter(self) -> Any:
        return self._batch._exporter

    def finish(self) -> None:
        self._batch._shutdown = True
        self._batch._worker_awaken.set()

    def close(self) -> None:
        self._batch._shutdown_timeout_exceeded = True
        self.exporter.shutdown()

    def flush(self) -> None:
        self._batch.force_flush()

    def count_losses(self, losses: _Losses) -> None:
        metrics, exporter = self._batch._metrics, self._batch._exporter
        drop_items, export = metrics.drop_items, exporter.export

        def drop_and_count(count: int, *args: Any, **kwargs: Any) -> None:
            losses.add(count)
            drop_items(count, *args, **kwargs)

        def export_and_count(items: Sequence[object]) -> Any:
            delivered = False
            try:
                result = export(items)
                delivered = result.name == "SUCCESS"
                return result
            finally:
                if not delivered:
                    losses.add(len(items))

        metrics.drop_items = drop_and_count
        exporter.export = export_and_count


class _Collections:
    """A periodic metric reader."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    @property
    def thread(self) -> threading.Thread | None:
        thread: threading.Thread | None = None if self._reader._shutdown else self._reader._daemon_thread
        return thread

    @property
    def exporter(self) -> Any:
        return self._reader._exporter

    def finish(self) -> None:
        self._reader._shutdown_event.set()

    def close(self) -> None:
        # Its exporter is left to the reader's own shutdown, which may be called only once.
        self._reader._daemon_thread = None

    def flush(self) -> None:
        self._reader.force_flush()


def outlets_of(provider: object) -> Iterator[Outlet]:
    """Everything by which a provider exports in the background, as it is now: anybody may have added some."""
    if isinstance(provider, MeterProvider):
        readers = sdk.readers_of(provider)
        yield from (_Collections(reader) for reader in readers if isinstance(reader, PeriodicExportingMetricReader))
    else:
        batches = (getattr(processor, "_batch_processor", None) for processor in _processors_of(provider))
        yield from (_Batches(batch) for batch in batches if batch is not None)


def _processors_of(provider: object) -> tuple[Any, ...]:
    if isinstance(provider, TracerProvider):
        return tuple(getattr(provider._active_span_processor, "_span_processors", ()))
    if isinstance(provider, LoggerProvider):
        return tuple(getattr(provider._multi_log_record_processor, "_log_record_processors", ()))
    return ()


def finish(outlets: Iterable[Outlet], timeout_s: float) -> bool:
    """Let all outlets export what they have, side by side, and end them.

    The SDK's own shutdown goes through them one by one and lets each try for up to ten seconds, batch by batch.

    Args:
        outlets: Those of every provider.
        timeout_s: When to give up on the slowest, in seconds.

    Returns:
        Whether all were done in time.
    """
    deadline = time.monotonic() + timeout_s
    busy = [(outlet, thread) for outlet in outlets if (thread := outlet.thread) is not None]
    for outlet, _ in busy:
        _try_once_from_now_on(outlet.exporter)
        outlet.finish()
    for _, thread in busy:
        thread.join(max(deadline - time.monotonic(), 0))
    in_time = not any(thread.is_alive() for _, thread in busy)
    for outlet, _ in busy:
        outlet.close()
    return in_time


def flush(outlets: Iterable[Outlet], timeout_s: float) -> None:
    """Let all outlets export what they have, side by side, and go on; give up waiting after so many seconds."""
    deadline = time.monotonic() + timeout_s
    threads = [threading.Thread(target=outlet.flush, daemon=True) for outlet in outlets if outlet.thread is not None]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))


def _try_once_from_now_on(exporter: Any) -> None:
    """End the pauses between an OTLP exporter's attempts: who is not there now will not be there in a second."""
    for holder, name in ((exporter, "_shutdown_in_progress"), (getattr(exporter, "_client", None), "_shutdown_event")):
        event = getattr(holder, name, None)
        if isinstance(event, threading.Event):
            event.set()


def count_losses(provider: object, guard: Guard) -> None:
    """Count the spans and log records that a full queue pushes out and those that could not be delivered.

    Args:
        provider: One of the SDK's; what is added to it later is not counted.
        guard: Counts ``spans`` and ``log_records`` as dropped.
    """
    what = "spans" if isinstance(provider, TracerProvider) else "log_records"
    for outlet in outlets_of(provider):
        if isinstance(outlet, _Batches):
            outlet.count_losses(_Losses(what, guard))


class _Losses:
    def __init__(self, what: str, guard: Guard) -> None:
        self._what = what
        self._guard = guard
        # Threads of the service drop as well, all those that end a span while the queue is full.
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        with self._lock:
            self._guard.drop(self._what, count)


def renew_after_fork(provider: object, guard: Guard) -> None:
    """Make a provider's exporting usable in every child forked from now on, whatever the parent does at that moment.

    Args:
        provider: One of the SDK's; held weakly.
        guard: Counts our failures.
    """
    reference = weakref.ref(provider)

    def renew() -> None:
        inherited = reference()
        try:
            if isinstance(inherited, MeterProvider):
                _renew_locks(inherited)
            for outlet in outlets_of(inherited):
                _renew_connections(outlet.exporter)
        except Exception as error:  # noqa: BLE001 - the child must get on
            guard.failed("fork", error)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)


def _renew_locks(provider: MeterProvider) -> None:
    """Replace locks that another thread may have held: a child that waits for one of them is silent for ever.

    A periodic reader holds one during each export, a collection holds others while it asks for observations.
    """
    consumer: Any = provider._measurement_consumer
    consumer._lock = threading.Lock()
    for reader, storage in consumer._reader_storages.items():
        if hasattr(reader, "_export_lock"):
            reader._export_lock = threading.Lock()
        storage._lock = threading.RLock()
        for match in (match for matches in storage._instrument_view_instrument_matches.values() for match in matches):
            match._lock = threading.Lock()
            for aggregation in match._attributes_aggregation.values():
                aggregation._lock = threading.Lock()
                reservoir: Any = getattr(aggregation, "_reservoir", None)
                if hasattr(reservoir, "_lock"):
                    reservoir._lock = threading.Lock()


def _renew_connections(exporter: Any) -> None:
    """Connect anew in the child: over a shared connection, its requests and its parent's get mixed.

    Only what uses ``requests``, as OTLP over HTTP does. Takes no lock, for the reason above.
    """
    transport = getattr(getattr(exporter, "_client", None), "_transport", None)
    session = getattr(exporter, "_session", None) or getattr(transport, "_session", None)
    for adapter in getattr(session, "adapters", {}).values():
        _parents_connections.append((adapter.poolmanager, adapter.proxy_manager))
        adapter.init_poolmanager(adapter._pool_connections, adapter._pool_maxsize, adapter._pool_block)
        adapter.proxy_manager = {}
