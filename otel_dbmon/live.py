"""Answers questions about query patterns with JSON: what metrics have no room for, and what was found lately.

Metrics are bounded and hold no text, so that is kept nowhere but in the analyses that the pipeline remembers anyway.
A page is built when somebody asks for it; a statement that runs pays nothing for it. Everything in it is sanitized.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from otel_dbmon.fork import run_in_forked_children
from otel_dbmon_processors.finding import SLOW_QUERY, Advice, Finding
from otel_dbmon_processors.location import Location
from otel_dbmon_processors.patterns import PatternFigures
from otel_dbmon_processors.pipeline import Pipeline

if TYPE_CHECKING:
    from otel_dbmon_processors.advice import Adviser

#: Where figures and findings are, and where all about one pattern is.
PATTERNS, PATTERN = "/dbmon/patterns", "/dbmon/pattern"
#: Most findings that are remembered; of one pattern, one for each kind and line of code.
_MOST_FINDINGS = 200
#: What a fingerprint is at most; anything longer is not looked for.
_LONGEST_FINGERPRINT = 64

_Key = tuple[str, str, Location | None]


class _Found:
    """A finding that may have been made more than once."""

    __slots__ = ("finding", "number", "seen_ns", "times")

    def __init__(self, finding: Finding, number: int, seen_ns: int, times: int) -> None:
        self.finding = finding
        self.number = number
        self.seen_ns = seen_ns
        self.times = times


class RecentFindings:
    """The newest findings, each kind once for a pattern and a line of code. Thread safe; a forked child has none.

    Args:
        clock_ns: Nanoseconds since the epoch.
        most: How many are remembered.
    """

    def __init__(self, clock_ns: Callable[[], int] = time.time_ns, most: int = _MOST_FINDINGS) -> None:
        self._clock_ns = clock_ns
        self._most = most
        self.reset()
        run_in_forked_children(self.reset)

    def reset(self) -> None:
        """Forget all of them."""
        # Reentrant: a garbage collection inside may finalize a connection whose last statement is slow.
        self._lock = threading.RLock()
        self._found: dict[_Key, _Found] = {}
        self._number = 0
        #: Names this memory; another one means that numbers began anew.
        self.began_ns = self._clock_ns()

    def tell(self, finding: Finding) -> None:
        """Remember a finding; a subscriber of the pipeline."""
        key = (finding.kind, finding.analysis.fingerprint, finding.location)
        with self._lock:
            before = self._found.pop(key, None)
            self._number += 1
            times = 1 if before is None else before.times + 1
            self._found[key] = _Found(finding, self._number, self._clock_ns(), times)
            if len(self._found) > self._most:
                del self._found[next(iter(self._found))]

    def after(self, number: int) -> list[_Found]:
        """Those made after the one of this number, oldest first."""
        with self._lock:
            found = tuple(self._found.values())
        return [one for one in found if one.number > number]


class LivePages:
    """The pages below ``/dbmon``.

    Args:
        pipeline: Who counts, remembers texts, and tells of findings from now on.
        with_text: Whether the sanitized statement may leave (``OTEL_DBMON_QUERY_TEXT``).
        findings: Where findings are remembered; a new memory if not given.
    """

    def __init__(self, pipeline: Pipeline, with_text: bool, findings: RecentFindings | None = None) -> None:
        self._pipeline = pipeline
        self._with_text = with_text
        self._findings = findings if findings is not None else RecentFindings()
        self._adviser: Adviser | None = None
        pipeline.subscribe(self._findings.tell)

    def page(self, path: str, query: str) -> bytes | None:
        """The page in JSON.

        Args:
            path: Which page.
            query: What follows the question mark: ``after=NUMBER`` of the newest finding that is known already, or
                ``fingerprint=..``.

        Returns:
            None if there is none of that address, or nothing is known of the pattern.
        """
        asked = parse_qs(query)
        if path == PATTERNS:
            after = asked.get("after", ["0"])[0]
            answer: dict[str, Any] | None = self._overview(int(after) if after.isdecimal() else 0)
        elif path == PATTERN:
            answer = self._pattern(asked.get("fingerprint", [""])[0])
        else:
            answer = None
        return None if answer is None else json.dumps(answer, separators=(",", ":")).encode()

    def _overview(self, after: int) -> dict[str, Any]:
        total, patterns = self._pipeline.aggregator.patterns()
        return {
            "began_ns": self._findings.began_ns,
            "bounds": self._pipeline.config.duration_buckets,
            "total": _figures(total),
            "patterns": [_figures(pattern) for pattern in patterns],
            "findings": [self._story(found) for found in self._findings.after(after)],
        }

    def _pattern(self, fingerprint: str) -> dict[str, Any] | None:
        if not fingerprint or len(fingerprint) > _LONGEST_FINGERPRINT:
            return None
        known = self._pipeline.analyzer.find(fingerprint)
        found = [one for one in self._findings.after(0) if one.finding.analysis.fingerprint == fingerprint]
        if known is None and not found:
            return None
        analysis, system = known or (found[-1].finding.analysis, found[-1].finding.origin.system)
        advice = [said for one in found for said in one.finding.advice]
        # Whether an OFFSET skips anything is not in the sanitized text.
        advice += [
            said
            for said in self._advise().advise(SLOW_QUERY, analysis, analysis.sanitized, system)
            if said.topic != "offset"
        ]
        return {
            "fingerprint": fingerprint,
            "summary": analysis.summary,
            "text": analysis.sanitized if self._with_text else "",
            "system": system,
            "type": analysis.query_type,
            "complexity": analysis.complexity,
            "tables": analysis.collections,
            "analysis": analysis.explanation,
            "advice": list(_sentences(advice)),
            "findings": [self._story(one) for one in found],
        }

    def _advise(self) -> Adviser:
        if self._adviser is None:
            # Most processes are never asked.
            from otel_dbmon_processors.advice import Adviser

            self._adviser = Adviser()
        return self._adviser

    def _story(self, found: _Found) -> dict[str, Any]:
        finding = found.finding
        location, source = finding.location, finding.source
        return {
            "number": found.number,
            "seen_ns": found.seen_ns,
            "times": found.times,
            "kind": finding.kind,
            "alert": finding.alert,
            "message": finding.message,
            "fingerprint": finding.analysis.fingerprint,
            "summary": finding.analysis.summary,
            "count": finding.count,
            "duration_ns": finding.duration_ns,
            "source": "" if source is None else source.summary,
            "path": "" if location is None else location.path,
            "line": 0 if location is None else location.line,
            "function": "" if location is None else location.function,
            "advice": list(_sentences(finding.advice)),
        }


def _figures(pattern: PatternFigures) -> dict[str, Any]:
    return pattern._asdict()


def _sentences(advice: Iterable[Advice]) -> Iterator[str]:
    """What is said, each topic once."""
    yield from {said.topic: f"{said.seen} {said.cost} {said.remedy}" for said in advice}.values()
