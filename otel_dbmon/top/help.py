"""The screen that says which keys there are and what the figures mean."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

_TEXT = """\
Keys
  t c m p e    sort by time, calls, mean, p95, errors   (or click a title)
  r            reverse the order
  /            filter by summary, service or fingerprint; esc ends it
  space        hold the screen still, and let it go on
  enter        all about one query                      (or click it twice)
  esc          back
  q            quit

Figures, over the time since the last look
  time/s       run time of all calls together, in each second; more than 1 s
               where several run at once
  p50, p95     out of the buckets of a histogram, as PromQL finds them;
               < where the lowest bucket holds it,
               ~ where they are those of all statements with this summary
  (all others) what has no series of its own (OTEL_DBMON_TOP_QUERIES)
  findings     slow queries and repeats, newest first, with the line of code
"""


class Help(ModalScreen[None]):
    """Any key leads back."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter,space", "dismiss", "back")]

    def compose(self) -> ComposeResult:
        """One text."""
        with VerticalScroll(id="help"):
            yield Static(Text(_TEXT))
