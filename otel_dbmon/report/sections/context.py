"""The report, and what a Prometheus would be asked for it: what every section is told from."""

from __future__ import annotations

from dataclasses import dataclass

from otel_dbmon.report.document import Question
from otel_dbmon.report.model import Report
from otel_dbmon.report.questions import Questions


@dataclass(frozen=True)
class Context:
    """What a section is told from.

    Attributes:
        report: What it is about.
    """

    report: Report

    @property
    def is_compared(self) -> bool:
        """Whether there is a period before to compare with."""
        return self.report.period is not None and self.report.has_before

    @property
    def whole(self) -> Questions:
        """Questions about the whole period; without one, about a day, which nobody is shown."""
        return self._over(86_400 if self.report.period is None else self.report.period.length_s)

    @property
    def window(self) -> Questions:
        """Questions about one window."""
        return self._over(3600 if self.report.period is None else self.report.period.window_s)

    def asked(self, **questions: str) -> tuple[Question, ...]:
        """Questions by what they are of; blanks for underscores. None for a scrape, which nobody can ask."""
        return self._questions(questions, 0)

    def asked_by_window(self, **questions: str) -> tuple[Question, ...]:
        """The same for questions that are asked once a window."""
        return self._questions(questions, 0 if self.report.period is None else self.report.period.window_s)

    def _over(self, seconds: int) -> Questions:
        return Questions(self.report.services_asked, seconds)

    def _questions(self, questions: dict[str, str], step_s: int) -> tuple[Question, ...]:
        if self.report.period is None:
            return ()
        return tuple(Question(name.replace("_", " "), promql, step_s) for name, promql in questions.items())
