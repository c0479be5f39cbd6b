"""Takes everything a report says; answers with JSON, in which no number is rounded."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from otel_dbmon.report.model import Report


def as_data(report: Report) -> dict[str, Any]:
    """The report as JSON has it: the names are those of `otel_dbmon.report.model`."""
    data = asdict(report)
    period = report.period
    if period is not None:
        data["period"] = {
            "before": period.before,
            "start": period.start,
            "end": period.end,
            "window_s": period.window_s,
        }
    return data


def as_json(report: Report) -> str:
    """One object."""
    return json.dumps(as_data(report), indent=2, allow_nan=False) + "\n"
