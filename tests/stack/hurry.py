"""Takes a rule or routing file, gives it with every duration divided, so that a test need not wait for hours.

Thresholds, operators and labels stay what they are; it is time that goes faster: scrapes and exports do as well.
"""

from __future__ import annotations

import re

#: A minute of the rules is so many seconds of the test.
DIVISOR = 15
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
#: In a range selector, behind a key that is a time, or between a function's arguments.
_DURATION = re.compile(
    r"(?<=\[)(\d+)([smhd])(?=\])|((?:for|interval|group_wait|group_interval|repeat_interval): )(\d+)([smhd])\b"
)


def hurried(text: str) -> str:
    """The same text for a test."""
    return _DURATION.sub(_shortened, text)


def _shortened(found: re.Match[str]) -> str:
    number, unit = (found[1], found[2]) if found[1] else (found[4], found[5])
    return f"{found[3] or ''}{max(1, int(number) * _SECONDS[unit] // DIVISOR)}s"
