"""Serves everything the metrics SDK collects, ours included, to Prometheus over HTTP.

The stock exporter's server dies with every second worker of a fork server, its scrape dies with one metric that it
cannot show, and two scrapes at once get each other's metrics. So the server and the scrape are ours; turning metrics
into Prometheus families is the exporter's ``PrometheusMetricReader``, and the text formats are prometheus_client's.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.metrics.export import (
    DataT,
    ExponentialHistogram,
    Gauge,
    Histogram,
    Metric,
    MetricReader,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry, generate_latest, make_wsgi_app

from otel_dbmon.fork import run_in_forked_children
from otel_dbmon.listener import Address, Listener, listen
from otel_dbmon.live import LivePages
from otel_dbmon_processors.guard import Guard

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from otel_dbmon.settings import Settings

_logger = logging.getLogger("otel_dbmon")

_PATHS = frozenset({"/", "/metrics"})
_SCRAPE_TIMEOUT_S = 10.0
_LAST_PORT = 65535
# celery gives log handlers new locks in a fresh child; a line that is being logged then ends in a RuntimeError.
_CHILD_SETTLES_S = 0.5
_PLAIN = [("Content-Type", "text/plain; charset=utf-8")]
_JSON = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
_NOT_IN_A_NAME = re.compile("[^a-zA-Z0-9:]")

_Answer = tuple[str, "list[tuple[str, str]]", bytes]


class PrometheusEndpoint:
    """An HTTP endpoint for Prometheus and the metric reader behind it. Nothing listens before :meth:`start`.

    A forked child lets go of its parent's socket and listens on the next free port.

    Args:
        host: Where to listen (``OTEL_EXPORTER_PROMETHEUS_HOST``).
        port: The wished port (``OTEL_EXPORTER_PROMETHEUS_PORT``); 0 for any free one.
        fallback_ports: How many of the ports after it are tried (``OTEL_DBMON_PROMETHEUS_FALLBACK_PORTS``).
        guard: Counts failures, and metrics that Prometheus cannot be shown; a new one if not given.
        live: Pages for a person, served beside the metrics.
        live_everywhere: Whether these are served from addresses that others may reach (``OTEL_DBMON_LIVE=always``).
    """

    def __init__(
        self,
        host: str = "localhost",
        port: int = 9464,
        fallback_ports: int = 32,
        guard: Guard | None = None,
        live: LivePages | None = None,
        live_everywhere: bool = False,
    ) -> None:
        self._host = host
        self._wished = port
        self._ports = range(port, min(port + fallback_ports, _LAST_PORT) + 1) if port else (0,)
        self._guard = guard if guard is not None else Guard()
        self._registry = CollectorRegistry()
        self._reader = _Reader(self._registry, self._guard, self.shutdown)
        self._page = _Page(self._registry, self._reader, self._guard)
        self._live = live
        self._live_everywhere = live_everywhere
        self._address: Address | None = None
        self._listener: Listener | None = None
        self._started = False
        self._lock = threading.Lock()
        run_in_forked_children(self._start_again_in_child)

    @classmethod
    def from_environment(
        cls, settings: Settings, guard: Guard | None = None, live: LivePages | None = None
    ) -> PrometheusEndpoint:
        """The endpoint that the settings ask for."""
        return cls(
            settings.prometheus_host,
            settings.prometheus_port,
            settings.prometheus_fallback_ports,
            guard,
            live,
            settings.live == "always",
        )

    @property
    def reader(self) -> MetricReader:
        """What a meter provider has to be given: ``provider.add_metric_reader(endpoint.reader)``."""
        return self._reader

    @property
    def port(self) -> int | None:
        """The port it listens on, or None."""
        listener = self._listener
        return listener.server_port if listener is not None else None

    def start(self) -> None:
        """Listen; if no port can be had, say so once and leave it at that. A second call does nothing."""
        with self._lock:
            if self._started:
                return
            self._started = True
            self._listen()
        self._announce()
        self._serve()

    def shutdown(self) -> None:
        """Stop listening, at once; a second call does nothing."""
        with self._lock:
            self._started = False
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    def _listen(self) -> None:
        try:
            self._address = self._address or Address(self._host)
            if self._live_everywhere or ipaddress.ip_address(self._address.host.partition("%")[0]).is_loopback:
                self._page.live = self._live
            self._page.for_anybody = self._live_everywhere
            self._listener = listen(self._address, self._ports, self._page)
        except OSError:
            self._listener = None

    def _announce(self) -> None:
        if self.port is None:
            ports = f"{self._ports[0]}" if len(self._ports) == 1 else f"{self._ports[0]} to {self._ports[-1]}"
            _logger.warning("no Prometheus endpoint: cannot listen on %s, port %s", self._host, ports)
        elif self._wished in (0, self.port):
            _logger.info("Prometheus endpoint on %s, port %s", self._host, self.port)
        else:
            _logger.warning("Prometheus endpoint on %s, port %s: port %s is taken", self._host, self.port, self._wished)

    def _start_again_in_child(self) -> None:
        listener, self._listener = self._listener, None
        self._lock = threading.Lock()
        self._page.reset()
        if listener is not None:
            listener.abandon()
        if self._started:
            # Not here: whatever blocks in the middle of a fork, a log handler for one, would block the whole child.
            self._in_background(self._listen_again)

    def _listen_again(self) -> None:
        with self._lock:
            if not self._started:
                return
            self._listen()
        self._serve()
        time.sleep(_CHILD_SETTLES_S)
        self._announce()

    def _serve(self) -> None:
        listener = self._listener
        if listener is not None:
            self._in_background(listener.serve)

    def _in_background(self, target: Callable[[], None]) -> None:
        threading.Thread(target=target, name="otel-dbmon-prometheus", daemon=True).start()


class _Reader(PrometheusMetricReader):
    """Passes on what the exporter can show. ``careful`` makes it try each metric by itself first."""

    def __init__(self, registry: CollectorRegistry, guard: Guard, on_shutdown: Callable[[], None]) -> None:
        super().__init__(scope_info_enabled=False, registry=registry)
        self._guard = guard
        self._on_shutdown = on_shutdown
        self.careful = False

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> None:
        super()._receive_metrics(self._presentable(metrics_data), timeout_millis, **kwargs)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        self._on_shutdown()
        super().shutdown(timeout_millis, **kwargs)

    def forget(self) -> None:
        """Drop what the exporter keeps between scrapes; a forked child has another resource than its parent."""
        self._collector._target_info = None
        self._collector._metrics_datas.clear()

    def _presentable(self, data: MetricsData) -> MetricsData:
        scopes = [scope for group in data.resource_metrics for scope in group.scope_metrics]
        metrics = self._unified(metric for scope in scopes for metric in scope.metrics)
        if self.careful:
            metrics = [metric for metric in metrics if self._can_be_shown(metric)]
        # Neither scope nor resource become labels, so all metrics may as well be in one group; the resources are kept
        # for target_info.
        empty = [ResourceMetrics(group.resource, [], group.schema_url) for group in data.resource_metrics]
        return MetricsData([*empty, _group(metrics)])

    def _unified(self, metrics: Iterable[Metric]) -> list[Metric]:
        # The exporter takes the label names of a family from the first metric of that name and gives them to the
        # values of the second; as one metric they get the label names of both.
        unified: dict[tuple[str, str | None], Metric] = {}
        for metric in metrics:
            name = (_NOT_IN_A_NAME.sub("_", metric.name), metric.unit)
            first = unified.get(name)
            if isinstance(metric.data, ExponentialHistogram):
                self._guard.drop("exponential_histogram")
            elif first is None:
                unified[name] = metric
            elif (data := _merged(first.data, metric.data)) is not None:
                unified[name] = Metric(first.name, first.description, first.unit, data)
            else:
                self._guard.drop("metric_name_conflict")
        return list(unified.values())

    def _can_be_shown(self, metric: Metric) -> bool:
        collector = type(self._collector)(disable_target_info=True, scope_info_enabled=False)
        collector.add_metrics_data(MetricsData([_group([metric])]))
        try:
            generate_latest(collector)
        except Exception as error:  # noqa: BLE001 - finding out is the purpose
            self._guard.failed("prometheus metric", error)
            return False
        return True


def _group(metrics: Sequence[Metric]) -> ResourceMetrics:
    return ResourceMetrics(Resource({}), [ScopeMetrics(InstrumentationScope(""), metrics, "")], "")


def _merged(first: DataT, second: DataT) -> DataT | None:
    """Both as one, or None if they are not of one kind."""
    points = [*first.data_points, *second.data_points]
    if isinstance(first, Gauge) and isinstance(second, Gauge):
        return replace(first, data_points=points)
    if isinstance(first, Sum) and isinstance(second, Sum) and first.is_monotonic == second.is_monotonic:
        return replace(first, data_points=points)
    if isinstance(first, Histogram) and isinstance(second, Histogram):
        return replace(first, data_points=points)
    return None


class _Page:
    """The WSGI application: one scrape at a time, in the format that the scraper accepts."""

    def __init__(self, registry: CollectorRegistry, reader: _Reader, guard: Guard) -> None:
        self._app = make_wsgi_app(registry)
        self._reader = reader
        self._guard = guard
        self.live: LivePages | None = None
        self.for_anybody = False
        self.reset()

    def reset(self) -> None:
        """Start anew in a forked child, where another thread may have been in the middle of a scrape."""
        self._scrape = threading.Lock()
        self._reader.forget()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, headers, body = self._answer(environ)
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: WSGIEnvironment) -> _Answer:
        if environ["PATH_INFO"] not in _PATHS:
            return self._live_page(environ)
        if environ["REQUEST_METHOD"] == "HEAD":
            environ = {**environ, "REQUEST_METHOD": "GET"}
        # The exporter's collector keeps what it got between its two steps: a second scrape would get half of the first.
        if not self._scrape.acquire(timeout=_SCRAPE_TIMEOUT_S):
            return "503 Service Unavailable", _PLAIN, b"Another scrape takes too long\n"
        try:
            with suppress_instrumentation():
                return self._rendered(environ)
        except Exception as error:  # noqa: BLE001 - the text of an error of somebody's callback stays in the process
            self._guard.failed("prometheus", error)
            return "500 Internal Server Error", _PLAIN, b"The metrics cannot be collected\n"
        finally:
            self._scrape.release()

    def _live_page(self, environ: WSGIEnvironment) -> _Answer:
        page = None
        try:
            if self.live is not None and (self.for_anybody or _is_local(environ.get("HTTP_HOST", ""))):
                page = self.live.page(environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
        except Exception as error:  # noqa: BLE001 - as above
            self._guard.failed("live", error)
            return "500 Internal Server Error", _PLAIN, b"The page cannot be made\n"
        return ("404 Not Found", _PLAIN, b"The metrics are at /metrics\n") if page is None else ("200 OK", _JSON, page)

    def _rendered(self, environ: WSGIEnvironment) -> _Answer:
        try:
            return self._response(environ)
        except Exception as error:
            if self._reader.careful:
                raise
            self._guard.failed("prometheus", error)
            self._reader.careful = True
            return self._response(environ)

    def _response(self, environ: WSGIEnvironment) -> _Answer:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
            started.append((status, headers))

        body = b"".join(self._app(environ, start_response))
        return (*started[0], body)


def _is_local(host: str) -> bool:
    """Whether a request asks for this machine by a name that is its own: a web page elsewhere cannot make one such.

    Args:
        host: The header ``Host``. A stranger's name may be made to resolve to the loopback address.
    """
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
