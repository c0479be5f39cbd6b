"""Takes the ids of starting and ending spans and adds up, for every request in flight, the statements it sent.

A request is what its local root span covers: the first span of a trace in this process. Spans find their request by
their parent's id, so that two requests of one trace in one process stay apart. Spans of kind CLIENT, which almost all
statements are, take themselves to be leaves: nothing below one finds the request, and they cost nothing at their start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from otel_dbmon_processors.analysis import Analysis
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.observation import ErrorFacts, Observation, Origin

_MAX_SPANS = 20_000
_MAX_ENDED = 256
_ROOT = "_dbmon_root"
_MAX_PENDING = 128
# A statement that spans more than so many separate earlier ones is counted from there on only.
_MAX_INTERVALS = 64

_Interval = tuple[int, int]


class Story(NamedTuple):
    """The statement of a request that is worth telling of: what may be said about it, and no text of its own.

    Attributes:
        analysis: What its text says.
        origin: Where it was sent.
        duration_ns: How long it took, in nanoseconds.
        error: What went wrong, or None.
    """

    analysis: Analysis
    origin: Origin
    duration_ns: int
    error: ErrorFacts | None


class Request:
    """The statements of one request, in bounded space. Thread safe: threads of one request may end statements at once.

    Args:
        root_id: Span id of the local root.

    Attributes:
        told: What was found about it: one request tells of one pattern once.
        n_plus_ones: How many N+1 patterns that were.
        story: The statement that failed last or, if none did, the slowest; None where nobody wants to know.
    """

    __slots__ = (
        "_intervals",
        "_lock",
        "_merged",
        "_pending",
        "_settled_end",
        "_settled_ns",
        "n_plus_ones",
        "root_id",
        "story",
        "told",
    )

    def __init__(self, root_id: int) -> None:
        self.root_id = root_id
        self.told: dict[tuple[str, str, bool], object] = {}
        self.n_plus_ones = 0
        self.story: Story | None = None
        self._pending: list[_Interval] = []
        self._merged = 0
        # When statements ran: disjoint intervals in order, of which the oldest are kept as a sum only.
        self._intervals: list[_Interval] = []
        self._settled_ns = 0
        self._settled_end = 0
        self._lock = threading.Lock()

    def add(self, start_ns: int, end_ns: int) -> None:
        """Count one statement.

        Args:
            start_ns: When it started, in nanoseconds since the epoch.
            end_ns: When it ended, likewise.
        """
        pending = self._pending
        pending.append((start_ns, end_ns))
        if len(pending) >= _MAX_PENDING:
            with self._lock:
                self._merge()

    def tell(self, observation: Observation, analysis: Analysis) -> None:
        """Remember the statement if it is worth more than the one that is remembered."""
        story = self.story
        if (
            story is None
            or observation.error is not None
            or (story.error is None and observation.duration_ns > story.duration_ns)
        ):
            self.story = Story(analysis, observation.origin, observation.duration_ns, observation.error)

    def totals(self) -> tuple[int, int]:
        """How many statements there were, and for how many nanoseconds at least one of them was running.

        What parallel statements share counts once: it is the request's own time that is asked for.
        """
        if not self._pending and not self._merged:
            return 0, 0
        with self._lock:
            self._merge()
            return self._merged, self._settled_ns + sum(end - start for start, end in self._intervals)

    def _merge(self) -> None:
        count = len(self._pending)
        pending = self._pending[:count]
        del self._pending[:count]
        self._merged += count
        self._intervals = _union(sorted((*self._intervals, *pending)), self._settled_end)
        if len(self._intervals) > _MAX_INTERVALS:
            settled = self._intervals[:-_MAX_INTERVALS]
            del self._intervals[:-_MAX_INTERVALS]
            self._settled_ns += sum(end - start for start, end in settled)
            self._settled_end = settled[-1][1]


def _union(intervals: Iterable[_Interval], not_before: int) -> list[_Interval]:
    """What these intervals, in order of their starts, cover from some moment on: disjoint, in order."""
    covered: list[_Interval] = []
    covered_until = not_before
    for start, end in intervals:
        if end <= covered_until:
            continue
        if covered and start <= covered_until:
            covered[-1] = (covered[-1][0], end)
        else:
            covered.append((max(start, covered_until), end))
        covered_until = end
    return covered


class Requests:
    """The requests in flight, found by the ids of their open spans. Thread safe without a lock: it is one dict.

    Args:
        guard: Counts the spans that were given up because too many were open.
        max_spans: Most open spans to know; the oldest quarter is given up when there are more.

    Attributes:
        tells_stories: Whether requests remember their most telling statement, and are remembered for a while after
            their end: an error may be reported when the request is over.
    """

    def __init__(self, guard: Guard, max_spans: int = _MAX_SPANS) -> None:
        self._guard = guard
        self._max_spans = max_spans
        self.tells_stories = False
        self._open: dict[int, Request] = {}
        self._ended: dict[int, Request] = {}
        #: The request that the open span of this id belongs to, or None. (Each statement asks: no call of Python.)
        self.find: Callable[[int], Request | None] = self._open.get

    def reset(self) -> None:
        """Forget everything; a forked child does not go on with a request of its parent."""
        self._open.clear()
        self._ended.clear()

    def begin(self, span_id: int) -> None:
        """A local root span has started."""
        self._open[span_id] = Request(span_id)
        if len(self._open) > self._max_spans:
            self._give_up_oldest()

    def join(self, span_id: int, parent_id: int) -> None:
        """A span has started below a span of this process."""
        request = self._open.get(parent_id)
        if request is not None:
            self._open[span_id] = request
            if len(self._open) > self._max_spans:
                self._give_up_oldest()

    def end(self, span_id: int) -> Request | None:
        """A span is ending: the request that it belongs to, or None if there is none or it was given up."""
        return self._open.pop(span_id, None)

    def keep(self, trace_id: int, request: Request, error: BaseException | None) -> None:
        """Remember a request that has ended, by its trace; only as many as may be asked for.

        Args:
            trace_id: The trace of its root span.
            request: What has ended.
            error: The exception that passes through, or None. It is told where it comes from: whoever reports it may be
                further out, where no span is active any more.
        """
        if error is not None:
            with suppress(Exception):  # an exception that takes no attributes
                setattr(error, _ROOT, (trace_id, request.root_id))
        if request.story is None:
            return
        self._ended[trace_id] = request
        if len(self._ended) > _MAX_ENDED:
            for oldest in list(islice(self._ended.copy(), _MAX_ENDED // 4)):
                self._ended.pop(oldest, None)

    def lately(self, trace_id: int) -> Request | None:
        """The request of this trace that ended lately, if it is remembered."""
        return self._ended.get(trace_id)

    @staticmethod
    def root_of(error: BaseException) -> tuple[int, int] | None:
        """Trace and span id of the root span that this exception passed through, if its end was seen."""
        return getattr(error, _ROOT, None)

    def _give_up_oldest(self) -> None:
        # A copy, because other threads start and end spans meanwhile; many at once, because finding the oldest is slow.
        oldest = list(islice(self._open.copy(), max(self._max_spans // 4, 1)))
        given_up = sum(self._open.pop(span_id, None) is not None for span_id in oldest)
        self._guard.drop("requests", given_up)
