"""Takes outcomes, writes evidence.json for programs and evidence.md for people; docs/compliance.md says what for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from otel_dbmon import __version__
from otel_dbmon.deploy.changes import PRIVATE
from otel_dbmon.deploy.writing import write
from otel_dbmon.verify.run import Outcome, has_failed
from otel_dbmon.verify.target import Target


def as_data(outcomes: Sequence[Outcome], target: Target, at: datetime) -> dict[str, Any]:
    """Outcomes as JSON has them."""
    return {
        "version": 1,
        "otel_dbmon": __version__,
        "at": at.isoformat(timespec="seconds"),
        "service": target.service,
        "services": list(target.services),
        "addresses": dict(target.addresses),
        "passed": not has_failed(outcomes),
        "checks": [
            {
                "check": outcome.check.name,
                "shows": outcome.check.shows,
                "status": outcome.result.status.value,
                "detail": outcome.result.detail,
                "advice": outcome.result.advice,
                "duration_s": round(outcome.duration_s, 3),
            }
            for outcome in outcomes
        ],
    }


def write_evidence(folder: Path, data: dict[str, Any]) -> list[Path]:
    """Write both files; what an earlier run wrote there is replaced."""
    text = json.dumps(data, indent=2) + "\n"
    files = {"evidence.json": text, "evidence.md": _page(data, hashlib.sha256(text.encode()).hexdigest())}
    for name, content in files.items():
        write(folder / name, content.encode(), PRIVATE)
    return [folder / name for name in files]


def _page(data: dict[str, Any], digest: str) -> str:
    rows = "\n".join(
        f"| `{entry['check']}` | {entry['status']} | {_cell(entry['shows'])} | {_cell(entry['detail'])} |"
        for entry in data["checks"]
    )
    subject = data["service"] or ", ".join(data["services"]) or "this machine's stack"
    return f"""\
# Evidence of {subject}

`otel-dbmon verify` {data["otel_dbmon"]} on {data["at"]}: {"passed" if data["passed"] else "FAILED"}.

| check | status | what holds where it is ok | seen |
| --- | --- | --- | --- |
{rows}

The same for programs is `evidence.json`, SHA-256 `{digest}`. Which article of GDPR, SOC 2 and HIPAA a check is evidence
for is in otel-dbmon's `docs/compliance.md`.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
