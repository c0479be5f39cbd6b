"""Takes the statements that run under one parent, one after the other, and finds those that repeat row by row.

What is looked for: a query, then at least so many runs of another one, where everything between two of these runs is
part of the same pattern (a, b, a, b, ..). Only queries count. Transactions, pings, settings and server-side cursors are
not looked at; any other work ends the pattern. Where the runs are all the same in text and parameters, it is no N+1
but a duplicate, and needs no query before it.

A statement without a parent belongs to its thread or task, until that pauses.
"""

from __future__ import annotations

import re
import sys
import threading
import weakref
from collections.abc import Iterator
from itertools import count, islice
from typing import Any, NamedTuple, Protocol

from otel_dbmon_processors.analysis import Analysis
from otel_dbmon_processors.finding import DUPLICATE_QUERY, N_PLUS_ONE
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.observation import Observation
from otel_dbmon_processors.span import STREAMED, holder_of, sent_of

#: Statements that keep a connection or a cursor going. (Those of a transaction have a type of their own.)
_UPKEEP = frozenset(
    {"SET", "RESET", "SHOW", "PRAGMA", "USE", "DISCARD", "DEALLOCATE", "PREPARE", "FETCH", "MOVE", "CLOSE", "DECLARE"}
)
#: How pools ask whether a connection is alive.
_PINGS = frozenset({"SELECT ?", "SELECT ? FROM DUAL"})
_PARAMETERS = re.compile(r"\?|[$:@]\w|%s|%\(").search
#: Without a parent nobody says where one piece of work ends and the next one begins; a pause does.
_PAUSE_NS = 500_000_000
_MAX_PARENTS = 4000
_MAX_QUERIES = 32
_MAX_INTERVALS = 32


#: What was found, by kind, fingerprint, and whether as an alert.
Told = dict[tuple[str, str, bool], object]


class Holder(Protocol):
    """Remembers what was told for as long as that is not to be told again."""

    @property
    def told(self) -> Told: ...


class Loop(NamedTuple):
    """What is found about a repeated statement.

    Attributes:
        kind: ``N_PLUS_ONE`` or ``DUPLICATE_QUERY``.
        is_first: Whether it was not found before in this request.
        is_told: Whether there is anything to tell; a mere further repeat has nothing.
        is_alert: Whether the repeats took long enough for somebody to be told.
        repeats: How many there were.
        duration_ns: How long at least one of them was running.
        start_ns: When the first one started.
        source: The query before them, None where there is none.
        spans: What stands for the spans of the earlier repeats, as far as these were handed in.
    """

    kind: str
    is_first: bool = False
    is_told: bool = False
    is_alert: bool = False
    repeats: int = 0
    duration_ns: int = 0
    start_ns: int = 0
    source: Analysis | None = None
    spans: tuple[object, ...] = ()


_FURTHER = {kind: Loop(kind) for kind in (N_PLUS_ONE, DUPLICATE_QUERY)}


#: One run of a query, all that is kept as long as it has no repeats: its place in the order of all statements, what its
#: text says, a hash of text and parameters, whether the parameters are in that, start and duration in nanoseconds, and
#: what holds the attributes of its span (None if that is not exported).
_Run = tuple[int, Analysis, int, bool, int, int, object]


class _Repeats:
    """The runs of one query under one parent since other work ended.

    Attributes:
        analysis: What its text says.
        count: How many there are.
        duration_ns: For how long at least one was running.
        kind: What they turned out to be, "" as long as that is open.
        is_same: Whether text and parameters were the same every time, as far as ``is_known``.
        is_alert: Whether that was told as an alert.
        seen: The places of the latest ones in the order of all statements, as many as are a pattern.
        holders: What holds the attributes of their spans.
    """

    __slots__ = (
        "_intervals",
        "analysis",
        "count",
        "duration_ns",
        "holders",
        "is_alert",
        "is_known",
        "is_same",
        "kind",
        "mark",
        "seen",
        "start_ns",
    )

    def __init__(self, first: _Run) -> None:
        order, self.analysis, self.mark, self.is_known, self.start_ns, self.duration_ns, holder = first
        self.count = 1
        self.kind = ""
        self.is_same = True
        self.is_alert = False
        self.seen = [order]
        self.holders = [holder]
        self._intervals = [(self.start_ns, self.start_ns + self.duration_ns)]

    def add(self, run: _Run, most: int) -> None:
        """Count a run, and know the places of so many at most."""
        order, _, mark, is_known, start_ns, duration_ns, holder = run
        self.count += 1
        if mark != self.mark:
            self.is_same = False
        if not is_known:
            self.is_known = False
        seen = self.seen
        seen.append(order)
        if len(seen) > most:
            del seen[0]
        if not self.kind:
            self.holders.append(holder)
            if len(self.holders) > most:
                del self.holders[0]
        if self.is_alert:
            return
        intervals, end_ns = self._intervals, start_ns + duration_ns
        self.duration_ns += duration_ns
        # Runs arrive in the order of their ends, so that each overlaps the latest ones only.
        while intervals and intervals[-1][1] > start_ns:
            other_start, other_end = intervals.pop()
            self.duration_ns -= min(end_ns, other_end) - max(start_ns, other_start)
            start_ns, end_ns = min(start_ns, other_start), max(end_ns, other_end)
        intervals.append((start_ns, end_ns))
        if len(intervals) > _MAX_INTERVALS:
            del intervals[: _MAX_INTERVALS // 2]


#: The queries that ran under one parent since other work ended, by their fingerprints; a cursor has a key of its own.
_Scope = dict[str, _Run | _Repeats]
_CURSOR = "cursor"


def _last(entry: _Run | _Repeats) -> int:
    """The place of its latest run in the order of all statements."""
    return entry[0] if isinstance(entry, tuple) else entry.seen[-1]


def _source_of(scope: _Scope, repeats: _Repeats) -> Analysis | None:
    """The last query of another kind that did not run since the repeats began."""
    begun = repeats.seen[0]
    before = [entry for entry in tuple(scope.values()) if _last(entry) < begun]
    if not before:
        return None
    source = max(before, key=_last)
    return source[1] if isinstance(source, tuple) else source.analysis


def _is_pure(scope: _Scope, repeats: _Repeats) -> bool:
    """Whether all queries that ran between the repeats are repeated as well."""
    begun = repeats.seen[0]
    singles = [(key, entry) for key, entry in tuple(scope.items()) if isinstance(entry, tuple)]
    return all(entry[0] < begun or key == _CURSOR for key, entry in singles)


class _Unparented:
    """What runs in one thread or task without a parent."""

    __slots__ = ("__weakref__", "ended_ns", "scope", "told")

    def __init__(self) -> None:
        self.scope: _Scope = {}
        self.told: Told = {}
        self.ended_ns = 0


class Loops:
    """Finds repeated statements. Thread safe: threads and tasks may share a parent.

    Args:
        threshold: How many repeats are a pattern (``OTEL_DBMON_N_PLUS_ONE_THRESHOLD``).
        min_duration_ns: For how long they have to run before anyone is alerted.
        guard: Counts repeats that were given up because too many parents, or too many queries under one, were open.
        max_parents: Most parents to know; the oldest quarter is given up when there are more.
    """

    def __init__(self, threshold: int, min_duration_ns: int, guard: Guard, max_parents: int = _MAX_PARENTS) -> None:
        self._threshold = threshold
        self._min_duration_ns = min_duration_ns
        self._guard = guard
        self._max_parents = max_parents
        self.reset()

    def reset(self) -> None:
        """Forget everything and renew the lock; for a forked child, where another thread may have held it."""
        # Reentrant: a garbage collection inside may finalize a connection whose last statement comes back here.
        self._lock = threading.RLock()
        self._order: Iterator[int] = count(1)
        self._scopes: dict[int, _Scope] = {}
        # What was told below a parent that belongs to no request that we know.
        self._told: dict[int, Told] = {}
        self._threads = threading.local()
        self._tasks: weakref.WeakKeyDictionary[Any, _Unparented] = weakref.WeakKeyDictionary()

    def see(
        self, observation: Observation, analysis: Analysis, request: Holder | None, span: object = None
    ) -> Loop | None:
        """Take one statement that has ended, and say whether it is part of a loop.

        Args:
            observation: Its run.
            analysis: What its text says.
            request: Remembers what was told about it, so that one request tells of one pattern once.
            span: The statement's span, if there is one.
        """
        if analysis.operation != "SELECT":
            if analysis.query_type != "transaction" and analysis.operation not in _UPKEEP:
                self.interrupt(observation.parent_id)
            return None
        statement, _, start_ns, duration_ns, _, _, _, parent_id, is_sampled = observation
        scope = self._scopes.get(parent_id)
        if scope is None:
            scope = self._new_scope(parent_id, start_ns, duration_ns)
        fingerprint = analysis.fingerprint
        if not parent_id and len(scope) == 1 and type(scope.get(fingerprint)) is tuple:
            # One query again and again without a parent, as a worker's that looks for work: nothing ran before it.
            return None
        try:
            parameters, holder = sent_of(span)
        except AttributeError:  # there is no span, or nobody told what was sent with it
            parameters, holder = None, holder_of(span)
        is_known = True
        if type(parameters) is not tuple:
            parameters, is_known = _in_order(parameters)
        try:
            # A hash is all that is kept of them.
            mark = hash((statement, parameters))
        except Exception:  # noqa: BLE001 - a value of a class that can't be hashed, or that fails to
            is_known, mark = False, hash(statement)
        run: _Run = (next(self._order), analysis, mark, is_known, start_ns, duration_ns, holder if is_sampled else None)
        if parameters is STREAMED:
            scope[_CURSOR] = run
            return None
        entry = scope.setdefault(fingerprint, run)
        if entry is not run:
            return self._repeat(scope, entry, run, observation, request)
        if not analysis.table and analysis.sanitized.upper() in _PINGS:
            scope.pop(fingerprint, None)
        elif len(scope) > _MAX_QUERIES:
            self._give_up_latest(scope)
        return None

    def _repeat(
        self, scope: _Scope, entry: _Run | _Repeats, run: _Run, observation: Observation, request: Holder | None
    ) -> Loop | None:
        with self._lock:
            if isinstance(entry, tuple):
                repeats = _Repeats(entry)
                scope[entry[1].fingerprint] = repeats
            else:
                repeats = entry
            if repeats.kind == DUPLICATE_QUERY and run[2] != repeats.mark:
                # Others begin here.
                scope[repeats.analysis.fingerprint] = run
                return None
            repeats.add(run, self._threshold)
            if repeats.kind:
                if repeats.is_alert or repeats.duration_ns < self._min_duration_ns:
                    return _FURTHER[repeats.kind]
            elif repeats.count < self._threshold or not self._is_found(scope, repeats, observation):
                return None
            return self._say(scope, repeats, self._told_of(observation.parent_id, request))

    def _is_found(self, scope: _Scope, repeats: _Repeats, observation: Observation) -> bool:
        """Whether these repeats are a loop; they then know of which kind."""
        if len(scope) == 1 and not (observation.parent_id and repeats.is_same):
            # Nothing ran before them, and they are no duplicates.
            return False
        has_source = _source_of(scope, repeats) is not None
        if repeats.is_same and (repeats.is_known or not _PARAMETERS(observation.statement)):
            # Without a parent it may be a worker that asks for work again and again.
            repeats.kind = DUPLICATE_QUERY if has_source or observation.parent_id else ""
        elif has_source and _is_pure(scope, repeats):
            repeats.kind = N_PLUS_ONE
        return bool(repeats.kind)

    def _say(self, scope: _Scope, repeats: _Repeats, told: Told) -> Loop:
        kind, fingerprint, news = repeats.kind, repeats.analysis.fingerprint, object()
        repeats.is_alert = repeats.duration_ns >= self._min_duration_ns
        is_first = told.setdefault((kind, fingerprint, False), news) is news
        is_first_alert = repeats.is_alert and told.setdefault((kind, fingerprint, True), news) is news
        earlier = tuple(holder for holder in repeats.holders if holder is not None)
        repeats.holders = []
        return Loop(
            kind,
            is_first,
            is_first or is_first_alert,
            repeats.is_alert,
            repeats.count,
            repeats.duration_ns,
            repeats.start_ns,
            _source_of(scope, repeats),
            earlier,
        )

    def _told_of(self, parent_id: int, request: Holder | None) -> Told:
        if request is not None:
            return request.told
        return self._told.setdefault(parent_id, {}) if parent_id else self._unparented().told

    def interrupt(self, parent_id: int) -> None:
        """Other work than statements was done under this parent, or without one in this thread or task."""
        scope = self._scopes.get(parent_id) if parent_id else self._unparented().scope
        if scope:
            scope.clear()

    def end(self, span_id: int) -> None:
        """The span has ended: nothing more runs under it."""
        if self._scopes.pop(span_id, None) is not None and self._told:
            self._told.pop(span_id, None)

    def _new_scope(self, parent_id: int, start_ns: int, duration_ns: int) -> _Scope:
        if parent_id:
            if len(self._scopes) >= self._max_parents:
                self._give_up_oldest()
            return self._scopes.setdefault(parent_id, {})
        unparented = self._unparented()
        if start_ns - unparented.ended_ns > _PAUSE_NS:
            unparented.scope.clear()
            unparented.told.clear()
        unparented.ended_ns = start_ns + duration_ns
        return unparented.scope

    def _unparented(self) -> _Unparented:
        """What belongs to the thread, or to the task that is running in it."""
        asyncio = sys.modules.get("asyncio")
        if asyncio is not None and asyncio._get_running_loop() is not None:
            task = asyncio.current_task()
            if task is not None:
                return self._tasks.setdefault(task, _Unparented())
        try:
            unparented: _Unparented = self._threads.unparented
        except AttributeError:
            unparented = self._threads.unparented = _Unparented()
        return unparented

    def _give_up_latest(self, scope: _Scope) -> None:
        """Forget the query that has not run for the longest time."""
        entries = scope.copy()
        gone = scope.pop(min(entries, key=lambda key: _last(entries[key])), None)
        if isinstance(gone, _Repeats) and not gone.kind:
            self._guard.drop("repeats")

    def _give_up_oldest(self) -> None:
        # A copy, because other threads start and end statements meanwhile. Most of these parents have ended without our
        # knowing, as those do that are not sampled: what counts as given up is what was being repeated.
        for parent_id in tuple(islice(self._scopes.copy(), max(self._max_parents // 4, 1))):
            scope = self._scopes.pop(parent_id, {})
            self._told.pop(parent_id, None)
            lost = sum(isinstance(entry, _Repeats) and not entry.kind for entry in tuple(scope.values()))
            if lost:
                self._guard.drop("repeats", lost)


def _in_order(parameters: object) -> tuple[object, bool]:
    """Parameters as a tuple where they are known and few; else what was given, and that they are not."""
    if type(parameters) is dict:
        parameters = tuple(parameters.values())
    elif type(parameters) is list:
        parameters = tuple(parameters)
    is_known = type(parameters) is tuple
    return parameters if is_known or parameters is STREAMED else None, is_known
