"""Where a view's figures come from: a service's own endpoint, or a Prometheus."""

from __future__ import annotations

from typing import Protocol

from otel_dbmon.top.reading import Details, Query, Reading


class Source(Protocol):
    """Answers with what is known now. One thread asks it."""

    @property
    def name(self) -> str:
        """What to call it: its address."""
        ...

    def read(self) -> Reading:
        """Everything as it is now.

        Raises:
            UnansweredError: Nobody answers.
        """
        ...

    def details(self, query: Query) -> Details:
        """All about one pattern.

        Raises:
            UnansweredError: Nobody answers.
        """
        ...
