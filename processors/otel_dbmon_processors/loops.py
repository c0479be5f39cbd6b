"""Takes the statements that run under one parent, one after the other, and finds those that repeat row by row.

What is looked for: a query, then at least so many runs of another one, where everything between two of these runs is
part of the same pattern (a, b, a, b, ..). Only queries count. Transactions, pings, settings and server-side cursors are
not looked at; any other work ends the pattern. Where the runs are all the same in text and parameters, it is no N+1
but a duplicate, and needs no query before it.

A statement without a parent belongs to its thread or task, until that pauses.

Most requests repeat nothing. So what runs under a parent is only noted at first. When as many statements have repeated
others as a pattern needs, which is with the very statement that may complete it, all notes are looked at, and from then
on each further statement.
"""

from __future__ import annotations

import re
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Any, NamedTuple, Protocol

from otel_dbmon_processors.analysis import Analysis
from otel_dbmon_processors.finding import DUPLICATE_QUERY, N_PLUS_ONE
from otel_dbmon_processors.guard import Guard
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
_MAX_NOTES = 32
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


#: A hash of text and parameters; one of the text alone, in a tuple, where the parameters are not known.
_Mark = int | tuple[int]
#: One run of a query: its fingerprint (or ``_CURSOR``), what its text says, its mark, when it started and how long it
#: took in nanoseconds, and what holds the attributes of its span (None if that is not exported).
_Run = tuple[str, Analysis, _Mark, int, int, object]
#: The first run of each query, and below ``_AGAIN`` the others, each with how many queries were known then.
_Notes = dict[str, Any]
_AGAIN = "again"
#: Of the run that is looked at as it ends: its text, its parent's id, and what remembers what was told.
_Now = tuple[str, int, Holder | None]
#: All that is kept of a query without repeats that is looked at: its place in the order of all statements, and its run.
_Single = tuple[int, _Run]


class _Repeats:
    """The runs of one query under one parent since other work ended.

    Attributes:
        analysis: What its text says.
        count: How many there are.
        duration_ns: For how long at least one was running.
        kind: What they turned out to be, "" as long as that is open.
        is_known: Whether the parameters were known every time.
        is_same: Whether text and parameters were the same every time, as far as they were known.
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

    def __init__(self, first: _Single) -> None:
        order, (_, self.analysis, self.mark, self.start_ns, self.duration_ns, holder) = first
        self.is_known = type(self.mark) is int
        self.count = 1
        self.kind = ""
        self.is_same = True
        self.is_alert = False
        self.seen = [order]
        self.holders = [holder]
        self._intervals = [(self.start_ns, self.start_ns + self.duration_ns)]

    def add(self, latest: _Single, most: int) -> None:
        """Count a run, and know the places of so many at most."""
        order, (_, _, mark, start_ns, duration_ns, holder) = latest
        self.count += 1
        if mark != self.mark:
            self.is_same = False
        if type(mark) is not int:
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
_Scope = dict[str, _Single | _Repeats]
_CURSOR = "cursor"


def _is_ping(analysis: Analysis) -> bool:
    return not analysis.table and analysis.sanitized.upper() in _PINGS


def _last(entry: _Single | _Repeats) -> int:
    """The place of its latest run in the order of all statements."""
    return entry[0] if isinstance(entry, tuple) else entry.seen[-1]


def _source_of(scope: _Scope, repeats: _Repeats) -> Analysis | None:
    """The last query of another kind that did not run since the repeats began."""
    begun = repeats.seen[0]
    before = [entry for entry in tuple(scope.values()) if _last(entry) < begun]
    if not before:
        return None
    source = max(before, key=_last)
    return source[1][1] if isinstance(source, tuple) else source.analysis


def _is_pure(scope: _Scope, repeats: _Repeats) -> bool:
    """Whether all queries that ran between the repeats are repeated as well."""
    begun = repeats.seen[0]
    singles = [(key, entry) for key, entry in tuple(scope.items()) if isinstance(entry, tuple)]
    return all(entry[0] < begun or key == _CURSOR for key, entry in singles)


class _Unparented:
    """What runs in one thread or task without a parent."""

    __slots__ = ("__weakref__", "ended_ns", "notes", "told", "watched")

    def __init__(self) -> None:
        self.notes: _Notes = {}
        self.watched: _Scope | None = None
        self.told: Told = {}
        self.ended_ns = 0

    def forget(self) -> None:
        """Know nothing of what ran."""
        self.notes = {}
        self.watched = None

    def begin(self) -> None:
        """Begin another piece of work, of which nothing was told."""
        self.forget()
        self.told.clear()


class Loops:
    """Finds repeated statements. Thread safe: threads and tasks may share a parent.

    Args:
        threshold: How many repeats are a pattern (``OTEL_DBMON_N_PLUS_ONE_THRESHOLD``).
        min_duration_ns: For how long they have to run before anyone is alerted.
        guard: Counts repeats that were given up because too many parents, or too many queries under one, were open.
        max_parents: Most parents to know; the oldest quarter is given up when there are more.
        clock_ns: Nanoseconds since the epoch.
    """

    def __init__(
        self,
        threshold: int,
        min_duration_ns: int,
        guard: Guard,
        max_parents: int = _MAX_PARENTS,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._threshold = threshold
        self._min_duration_ns = min_duration_ns
        self._guard = guard
        self._max_parents = max_parents
        self._clock_ns = clock_ns
        # A run that is the first of its query completes nothing.
        self._most_again = min(max(threshold - 1, 1), _MAX_NOTES)
        self.reset()

    def reset(self) -> None:
        """Forget everything and renew the lock; for a forked child, where another thread may have held it."""
        # Reentrant: a garbage collection inside may finalize a connection whose last statement comes back here.
        self._lock = threading.RLock()
        self._order: Iterator[int] = count(1)
        #: What ran under parents, by their ids: of most of them there are notes, the others are watched.
        self._noted: dict[int, _Notes] = {}
        self._watched: dict[int, _Scope] = {}
        # What was told below a parent that belongs to no request that we know.
        self._told: dict[int, Told] = {}
        self._threads = threading.local()
        # When the latest statement without a parent ended.
        self._unparented_ns = 0
        self._tasks: weakref.WeakKeyDictionary[Any, _Unparented] = weakref.WeakKeyDictionary()

    def see(
        self,
        analysis: Analysis,
        statement: str,
        parent_id: int,
        start_ns: int = 0,
        duration_ns: int = 0,
        request: Holder | None = None,
        span: object = None,
        is_sampled: bool = False,
    ) -> Loop | None:
        """Take one statement that has ended, and say whether it is part of a loop.

        Args:
            analysis: What its text says.
            statement: The text, which is not kept.
            parent_id: Under what it ran, 0 for nothing.
            start_ns: When it started, in nanoseconds since the epoch.
            duration_ns: How long it took, in nanoseconds.
            request: Remembers what was told about it, so that one request tells of one pattern once.
            span: The statement's span, if there is one.
            is_sampled: Whether the span is exported. Nothing of one that is not is kept: its parent's end is not seen.
        """
        if analysis.operation != "SELECT":
            if analysis.query_type != "transaction" and analysis.operation not in _UPKEEP:
                self.interrupt(parent_id)
            return None
        notes = self._noted.get(parent_id)
        scope: _Scope | None = None
        if notes is None:
            if parent_id:
                notes, scope = self._elsewhere(parent_id)
            elif _is_ping(analysis):
                return None
            else:
                unparented = self._unparented()
                if start_ns - unparented.ended_ns > _PAUSE_NS:
                    unparented.begin()
                self._unparented_ns = unparented.ended_ns = start_ns + duration_ns
                notes, scope = unparented.notes, unparented.watched
                if len(notes) == 1 and analysis.fingerprint in notes:
                    # One query again and again, as a worker's that looks for work: nothing ran before it.
                    return None
        key = analysis.fingerprint
        try:
            parameters, holder = sent_of(span)
            # A hash is all that is kept of them. Those that are not known are None.
            mark: _Mark = hash((statement, parameters)) if parameters is not None else (hash(statement),)
        except Exception:  # noqa: BLE001 - lists, a value that can't be hashed, nothing that was remembered
            key, mark, holder = _mark(statement, key, span)
        run: _Run = (key, analysis, mark, start_ns, duration_ns, holder if is_sampled else None)
        if scope is None:
            if notes.setdefault(key, run) is run:
                if len(notes) < _MAX_NOTES:
                    return None
            else:
                again = notes.setdefault(_AGAIN, [])
                again.append((len(notes) - 1, run))
                if len(again) < self._most_again:
                    return None
            scope = self._watch(notes, run, parent_id)
        return self._look(scope, run, (statement, parent_id, request))

    def _watch(self, notes: _Notes, latest: _Run, parent_id: int) -> _Scope:
        """What was noted, all but the latest run, as it would be if each had been looked at."""
        scope: _Scope = {}
        with self._lock:
            if not parent_id:
                unparented = self._unparented()
                unparented.notes, unparented.watched = {}, scope
            elif self._noted.pop(parent_id, None) is notes:
                self._watched[parent_id] = scope
            else:  # another thread was faster, or the parent has ended
                return self._watched.get(parent_id, scope)
            for run in _in_order(notes):
                if run is not latest:
                    self._look(scope, run, None)
        return scope

    def _look(self, scope: _Scope, run: _Run, now: _Now | None) -> Loop | None:
        """Look at a run; one that is not running now is an earlier one, with which no pattern was complete."""
        key, analysis, *_ = run
        single = (next(self._order), run)
        if key == _CURSOR:
            scope[_CURSOR] = single
            return None
        entry = scope.setdefault(key, single)
        if entry is not single:
            return self._repeat(scope, entry, single, now)
        if _is_ping(analysis):
            scope.pop(key, None)
        elif len(scope) > _MAX_QUERIES:
            self._give_up_latest(scope)
        return None

    def _repeat(self, scope: _Scope, entry: _Single | _Repeats, latest: _Single, now: _Now | None) -> Loop | None:
        with self._lock:
            key, _, mark, *_ = latest[1]
            if isinstance(entry, tuple):
                repeats = scope[key] = _Repeats(entry)
            else:
                repeats = entry
            if repeats.kind == DUPLICATE_QUERY and mark != repeats.mark:
                # Others begin here.
                scope[key] = latest
                return None
            repeats.add(latest, self._threshold)
            if now is None:
                return None
            if repeats.kind:
                if repeats.is_alert or repeats.duration_ns < self._min_duration_ns:
                    return _FURTHER[repeats.kind]
            elif repeats.count < self._threshold or not self._is_found(scope, repeats, now):
                return None
            return self._say(scope, repeats, self._told_of(now))

    def _is_found(self, scope: _Scope, repeats: _Repeats, now: _Now) -> bool:
        """Whether these repeats are a loop; they then know of which kind."""
        statement, parent_id, _ = now
        if len(scope) == 1 and not (parent_id and repeats.is_same):
            # Nothing ran before them, and they are no duplicates.
            return False
        has_source = _source_of(scope, repeats) is not None
        if repeats.is_same and (repeats.is_known or not _PARAMETERS(statement)):
            # Without a parent it may be a worker that asks for work again and again.
            repeats.kind = DUPLICATE_QUERY if has_source or parent_id else ""
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

    def _told_of(self, now: _Now) -> Told:
        _, parent_id, request = now
        if request is not None:
            return request.told
        return self._told.setdefault(parent_id, {}) if parent_id else self._unparented().told

    def interrupt(self, parent_id: int) -> None:
        """Other work than statements was done under this parent, or without one in this thread or task."""
        if not parent_id:
            # After a pause there is nothing to forget, and a web service has nothing there at all.
            if self._clock_ns() - self._unparented_ns < _PAUSE_NS:
                self._unparented().forget()
        elif self._noted.get(parent_id) or self._watched.pop(parent_id, None):
            self._noted[parent_id] = {}

    def end(self, span_id: int) -> None:
        """The span has ended: nothing more runs under it."""
        if self._noted.pop(span_id, None) is None and self._watched.pop(span_id, None) is None:
            return
        if self._told:
            self._told.pop(span_id, None)

    def _elsewhere(self, parent_id: int) -> tuple[_Notes, _Scope | None]:
        """Where to note a statement whose parent has no notes, or where to look at it."""
        scope = self._watched.get(parent_id)
        if scope is not None:
            return {}, scope
        if len(self._noted) + len(self._watched) >= self._max_parents:
            self._give_up_oldest()
        return self._noted.setdefault(parent_id, {}), None

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
        most = max(self._max_parents // 4, 1)
        for known in (self._noted, self._watched):
            oldest: dict[int, dict[str, Any]] = known
            for parent_id in tuple(islice(oldest.copy(), most)):
                lost = _repeated(oldest.pop(parent_id, {}))
                self._told.pop(parent_id, None)
                if lost:
                    self._guard.drop("repeats", lost)


def _in_order(notes: _Notes) -> Iterator[_Run]:
    """All runs, in the order in which they were noted."""
    again: list[tuple[int, _Run]] = notes.get(_AGAIN, [])
    firsts: list[_Run] = [run for key, run in tuple(notes.items()) if key != _AGAIN]
    taken = 0
    for known, run in tuple(again):
        yield from firsts[taken:known]
        yield run
        taken = known
    yield from firsts[taken:]


def _repeated(known: dict[str, Any]) -> int:
    """How many queries repeat, without anything having been told of it."""
    again = {key for _, (key, *_) in tuple(known.get(_AGAIN, ()))}
    return len(again) + sum(isinstance(entry, _Repeats) and not entry.kind for entry in tuple(known.values()))


def _mark(statement: str, fingerprint: str, span: object) -> tuple[str, _Mark, object]:
    """What a run is kept as, its mark, and what holds the attributes of its span, where the parameters are not simply
    known.
    """
    unknown = (hash(statement),)
    try:
        parameters, holder = sent_of(span)
    except AttributeError:  # there is no span, or nobody told what was sent with it
        return fingerprint, unknown, holder_of(span)
    if parameters is STREAMED:
        return _CURSOR, unknown, holder
    if type(parameters) is dict:
        parameters = tuple(parameters.values())
    elif type(parameters) is list:
        parameters = tuple(parameters)
    try:
        mark = hash((statement, parameters))
    except Exception:  # noqa: BLE001 - a value of a class that can't be hashed, or that fails to
        return fingerprint, unknown, holder
    return fingerprint, mark if type(parameters) is tuple else (mark,), holder
