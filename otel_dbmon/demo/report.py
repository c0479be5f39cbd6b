"""Takes what was received and scraped, and answers whether it is what the product promises, check by check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from otel_dbmon.demo.figures import Figures
from otel_dbmon.demo.scrape import ACTIVE, DURATION, ERRORS, Scrape
from otel_dbmon.demo.traffic import TELLTALES, Tally
from otel_dbmon_processors.analysis import analyze

#: The visits make these happen, so they have to be seen.
_EXPECTED_ERRORS = ("integrity", "timeout")


@dataclass(frozen=True)
class Check:
    """One promise.

    Attributes:
        promise: What should be so.
        kept: Whether it is.
        detail: The numbers.
    """

    promise: str
    kept: bool
    detail: str


class Canaries:
    """Looks for values that must not be there, in requests as they were on the wire.

    Args:
        values: Each value, and in words what it is.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {value.encode(): meaning for value, meaning in values.items()}
        self.found: set[str] = set()
        self.searched_bytes = 0
        self.searched = 0

    @property
    def count(self) -> int:
        """How many values are looked for."""
        return len(self._values)

    def search(self, body: bytes) -> None:
        """Search one body; protobuf and text hold every string as it is."""
        self.searched += 1
        self.searched_bytes += len(body)
        self.found.update(meaning for value, meaning in self._values.items() if value in body)


class Report:
    """Everything the last screen shows.

    Args:
        figures: What was received as spans.
        scrape: The last page of the Prometheus endpoint; it is searched for canaries here.
        canaries: What was found in everything received.
        tally: What the visitors met.
    """

    def __init__(self, figures: Figures, scrape: Scrape, canaries: Canaries, tally: Tally) -> None:
        canaries.search(scrape.page.encode())
        self.figures = figures
        self.scrape = scrape
        self.before = tally.pasted
        self.after = self._received_text(tally.pasted)
        self.checks = [
            self._counted(),
            self._caused(tally),
            self._leaked(canaries),
            self._errors(),
            self._found(),
            self._series(),
            self._rewritten(),
        ]

    @property
    def broken(self) -> list[str]:
        """The promises that are not kept."""
        return [check.promise for check in self.checks if not check.kept]

    def _received_text(self, statement: str) -> str:
        """How a statement that the shop ran looked when it was received."""
        summary = analyze(statement, "sqlite").summary
        return next((seen.text for seen in self.figures.statements() if seen.summary == summary), "")

    def _counted(self) -> Check:
        counted, received = self.scrape.statements, self.figures.calls
        return Check(
            "Every statement is counted once",
            0 < counted == received,
            f"{counted:,} in the metrics, {received:,} received as spans",
        )

    def _caused(self, tally: Tally) -> Check:
        calls: Counter[str] = Counter()
        for statement in self.figures.statements():
            calls[statement.summary] += statement.calls
        caused = {kind: (tally.visits[kind], calls[summary]) for kind, summary in TELLTALES.items()}
        return Check(
            "There are as many as the visitors caused",
            all(0 < visits == received for visits, received in caused.values()),
            ", ".join(f"{kind}: {visits} visits, {received} statements" for kind, (visits, received) in caused.items()),
        )

    def _leaked(self, canaries: Canaries) -> Check:
        searched = f"{canaries.searched_bytes / 1e6:.1f} MB in {canaries.searched} requests"
        if canaries.found:
            return Check("No value left the shop", False, f"{'; '.join(sorted(canaries.found))} found in {searched}")
        # Silence proves nothing.
        received = self.figures.calls > 0
        return Check("No value left the shop", received, f"none of {canaries.count} planted values in {searched}")

    def _errors(self) -> Check:
        types = self.scrape.error_types
        seen = ", ".join(f"{kind} {count}" for kind, count in sorted(types.items())) or "none"
        return Check("Errors have a type", all(kind in types for kind in _EXPECTED_ERRORS), seen)

    def _found(self) -> Check:
        found = Counter[str]()
        for seen, times in self.figures.found.items():
            found[seen.kind] += times
        return Check(
            "Slow queries and N+1 patterns are found, with their line",
            all(found[kind] for kind in ("slow", "N+1")),
            ", ".join(f"{kind} {times}" for kind, times in sorted(found.items())) or "none",
        )

    def _series(self) -> Check:
        missing = [name for name in (f"{DURATION}_count", ACTIVE, ERRORS) if not self.scrape.lines(name, 1)]
        return Check(
            "The series have the names that dashboards expect",
            not missing,
            f"{', '.join(missing)} missing" if missing else "all there",
        )

    def _rewritten(self) -> Check:
        return Check(
            "Pasted values are stripped, the statement stays readable",
            bool(self.after) and self.after != self.before,
            "see above" if self.after else "the statement was not received",
        )
