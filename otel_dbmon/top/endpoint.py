"""Asks services for what they count: their pages of metrics and of patterns go in, readings come out."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from otel_dbmon.live import PATTERN, PATTERNS
from otel_dbmon.querying.client import Client, UnansweredError
from otel_dbmon.top import rates
from otel_dbmon.top.rates import Counters, Key
from otel_dbmon.top.reading import Details, Found, Query, Reading
from otel_dbmon_processors.points import NANOSECONDS
from otel_dbmon_semconv import metrics as names

#: How many findings are kept for the screen.
_MOST_FOUND = 200
_CALLS = names.DATABASE_QUERY_PATTERN_CALLS.prometheus_name
_SECONDS = names.DATABASE_QUERY_PATTERN_DURATION.prometheus_name
_DURATION = names.DATABASE_QUERY_DURATION.prometheus_name
_CLIENT = names.DB_CLIENT_OPERATION_DURATION.prometheus_name
_ERRORS = names.DATABASE_ERRORS.prometheus_name
_TIMEOUTS = names.DATABASE_CONNECTION_TIMEOUTS.prometheus_name
_COUNTS = {
    names.DATABASE_SLOW_QUERIES.prometheus_name: rates.SLOW,
    names.DATABASE_N_PLUS_ONE.prometheus_name: rates.N_PLUS_ONE,
}
_GAUGES = {
    names.DATABASE_CONNECTIONS_ACTIVE.prometheus_name: rates.ACTIVE,
    names.DATABASE_CONNECTIONS_IDLE.prometheus_name: rates.IDLE,
    names.DATABASE_CONNECTIONS_MAX.prometheus_name: rates.MOST,
    names.DATABASE_CONNECTIONS_PENDING.prometheus_name: rates.PENDING,
}
_ALWAYS = (_DURATION, _ERRORS, _TIMEOUTS, *_COUNTS, *_GAUGES)
#: What stands for patterns where there is no page of them.
_WITHOUT_PAGE = (_CALLS, _SECONDS, _CLIENT)
_NO_TEXTS = "this endpoint gives no statements: OTEL_DBMON_LIVE is never, or it listens on more than localhost"


class _State(NamedTuple):
    """What one process said: on its page of metrics and on that of patterns, which are read one after the other."""

    counters: tuple[Counters, ...]
    gauges: Mapping[Key, float]
    is_live: bool


class Endpoints:
    """The Prometheus endpoints of one or more processes.

    Args:
        addresses: Their addresses, without ``/metrics``; those that do not answer are left out as long as one does.
        client: Asks them.
        clock: Seconds that always go on.
    """

    def __init__(self, addresses: Sequence[str], client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._addresses = addresses
        self._client = client
        self._clock = clock
        self._known: dict[str, _State] = {}
        self._memories: dict[str, tuple[int, int]] = {}
        self._found: dict[tuple[str, ...], Found] = {}

    @property
    def name(self) -> str:
        """The first address, and how many more there are that answer."""
        answering = [address for address in self._addresses if address in self._known] or self._addresses[:1]
        more = f" and {len(answering) - 1} more" if len(answering) > 1 else ""
        return answering[0] + more

    def read(self) -> Reading:
        """What happened since the last time.

        Raises:
            UnansweredError: None of them answers.
        """
        states: dict[str, _State] = {}
        refused: UnansweredError | None = None
        for address in self._addresses:
            try:
                states[address] = self._state(address)
            except UnansweredError as error:
                refused = refused or error
        if not states:
            raise refused or UnansweredError("no endpoint was named")
        before, self._known = self._known, states
        return self._reading(before, states)

    def _reading(self, before: Mapping[str, _State], after: Mapping[str, _State]) -> Reading:
        parts, period = [], 0.0
        for address, state in after.items():
            # A process that is seen for the first time: its counters say nothing about now.
            earlier = before[address].counters if address in before else state.counters
            for old, new in zip(earlier, state.counters, strict=False):
                passed = new.at - old.at
                grown = rates.increases(old, new)
                parts.append({key: value / passed if passed > 0 else 0.0 for key, value in grown.items()})
                period = max(period, passed)
        notes = [] if all(state.is_live for state in after.values()) else [_NO_TEXTS]
        return rates.reading(
            time.time(),
            period,
            rates.summed(parts),
            rates.summed(state.gauges for state in after.values()),
            sorted(self._found.values(), key=lambda found: -found.at),
            notes,
        )

    def _state(self, address: str) -> _State:
        page = self._client.get(f"{address}/metrics").text
        at = self._clock()
        live = self._live(address)
        live_at = self._clock()
        wanted = _ALWAYS if live is not None else (*_ALWAYS, *_WITHOUT_PAGE)
        lines = [line for line in page.splitlines() if line.startswith(wanted)]
        if not lines:
            raise UnansweredError(f"{address}: there are no metrics of otel-dbmon here")
        samples = [
            sample
            for family in text_string_to_metric_families("\n".join(lines) + "\n")
            for sample in family.samples
            if not sample.name.endswith("_created")
        ]
        service = next((found for sample in samples if (found := sample.labels.get("service"))), "")
        values: dict[tuple[Key, str], float] = defaultdict(float)
        gauges: dict[Key, float] = {}
        for sample in samples:
            if sample.name in _GAUGES:
                gauge = (_GAUGES[sample.name], *_pool(sample))
                gauges[gauge] = sample.value
            else:
                for key in _keys(sample, service):
                    values[key, ""] += sample.value
        counters = [Counters(at, values)]
        if live is not None:
            counters.append(Counters(live_at, _of_page(live, service)))
        return _State(tuple(counters), gauges, live is not None)

    def _live(self, address: str) -> Any:
        """The page of patterns, None where there is none; new findings on it are remembered."""
        began, newest = self._memories.get(address, (0, 0))
        try:
            page = self._client.get_json(address + PATTERNS, after=str(newest))
            if page["began_ns"] != began and newest:
                # Another process has taken its place, and numbers its findings anew.
                newest = 0
                page = self._client.get_json(address + PATTERNS, after="0")
            for found in page["findings"]:
                newest = max(newest, found["number"])
                self._remember(address, found)
            self._memories[address] = page["began_ns"], newest
        except (UnansweredError, KeyError, TypeError):
            return None
        return page

    def _remember(self, address: str, story: Mapping[str, Any]) -> None:
        found = _found(story)
        key = (address, found.kind, found.fingerprint, found.place)
        self._found.pop(key, None)
        self._found[key] = found
        if len(self._found) > _MOST_FOUND:
            del self._found[next(iter(self._found))]

    def details(self, query: Query) -> Details:
        """All that the processes know of a pattern.

        Raises:
            UnansweredError: None of them answers, or none knows it.
        """
        answers = []
        if query.fingerprint:
            for address in self._known:
                try:
                    answers.append(self._client.get_json(address + PATTERN, fingerprint=query.fingerprint))
                except UnansweredError:
                    continue
        if not answers:
            is_live = any(state.is_live for state in self._known.values())
            return Details(note="no process remembers its statement" if is_live else _NO_TEXTS)
        try:
            return _details(answers)
        except (KeyError, TypeError):
            raise UnansweredError(f"{self.name}: the answer is none of otel-dbmon's") from None


def _pool(sample: Sample) -> Key:
    return tuple(sample.labels.get(label, "") for label in ("service", "database", "pool"))


def _keys(sample: Sample, service: str) -> Iterator[Key]:
    """Which counters a sample is part of."""
    labels, name = sample.labels, sample.name
    if name == f"{_DURATION}_bucket":
        yield rates.ALL_BUCKET, labels["le"]
    elif name == f"{_DURATION}_sum":
        yield (rates.ALL_SECONDS,)
    elif name == _ERRORS:
        yield rates.ERRORS, labels.get("error_type", "")
    elif name in _COUNTS:
        yield (_COUNTS[name],)
    elif name == _TIMEOUTS:
        yield rates.TIMEOUTS, *_pool(sample)
    elif name in (_CALLS, _SECONDS):
        what = rates.CALLS if name == _CALLS else rates.SECONDS
        yield what, labels.get("service", service), labels.get("fingerprint", ""), labels.get("summary", "")
    elif name.startswith(_CLIENT):
        yield from _of_summary(name[len(_CLIENT) :], labels, service)


def _of_summary(kind: str, labels: Mapping[str, str], service: str) -> Iterator[Key]:
    summary = labels.get("db_query_summary", "")
    if kind == "_bucket":
        yield rates.SUMMARY_BUCKET, service, summary, labels["le"]
    elif kind == "_sum":
        yield rates.SUMMARY_SECONDS, service, summary
    elif kind == "_count":
        yield rates.SUMMARY_CALLS, service, summary
        if labels.get("error_type"):
            yield rates.SUMMARY_FAILED, service, summary


def _of_page(page: Any, service: str) -> dict[tuple[Key, str], float]:
    """The counters of the patterns on a page."""
    values: dict[tuple[Key, str], float] = {}
    bounds = [*(str(float(bound)) for bound in page["bounds"]), str(math.inf)]
    values[(rates.TOTAL_CALLS, service), ""] = page["total"]["calls"]
    values[(rates.TOTAL_SECONDS, service), ""] = page["total"]["time_ns"] / NANOSECONDS
    for pattern in page["patterns"]:
        whose, life = (service, pattern["fingerprint"], pattern["summary"]), str(pattern["start_ns"])
        values[(rates.CALLS, *whose), life] = pattern["calls"]
        values[(rates.SECONDS, *whose), life] = pattern["time_ns"] / NANOSECONDS
        values[(rates.FAILED, *whose), life] = pattern["errors"]
        count = 0
        for bound, more in zip(bounds, pattern["buckets"], strict=False):
            count += more
            values[(rates.BUCKET, *whose, bound), life] = count
    return values


def _found(story: Mapping[str, Any]) -> Found:
    place = f"{story['path']}:{story['line']}" if story["path"] else ""
    return Found(
        story["seen_ns"] / NANOSECONDS,
        story["kind"],
        story["message"],
        story["fingerprint"],
        story["times"],
        place,
        story["function"],
        story["alert"],
    )


def _details(answers: Sequence[Any]) -> Details:
    first = answers[0]
    facts = (
        ("type", first["type"]),
        ("complexity", first["complexity"]),
        ("tables", ", ".join(first["tables"])),
        ("dialect", first["system"]),
        ("fingerprint", first["fingerprint"]),
    )
    advice = dict.fromkeys(said for answer in answers for said in answer["advice"])
    found = [_found(story) for answer in answers for story in answer["findings"]]
    return Details(
        first["text"],
        facts,
        first["analysis"],
        tuple(advice),
        tuple(sorted(found, key=lambda one: -one.at)),
        note="" if first["text"] else "OTEL_DBMON_QUERY_TEXT=false keeps the statement in the service",
    )
