"""Takes what the demo left in its folder; writes the report on it, index advice included, if that extra is there."""

from __future__ import annotations

import json
import logging
import tempfile
from importlib.util import find_spec
from pathlib import Path

from otel_dbmon.demo.figures import Figures
from otel_dbmon.demo.service import DemoError

PAGE, ADVICE = "report.html", "advice.json"
_NEEDED = ("jinja2", "pygal", "requests", "sqlglot")


def write_page(folder: Path, figures: Figures) -> Path | None:
    """Write ``report.html``, and ``advice.json`` for it.

    Args:
        folder: Where ``metrics.prom``, ``spans.jsonl`` and the shop's database are.
        figures: What was received.

    Returns:
        The page; None where what draws it is not installed.

    Raises:
        DemoError: There is no report on what is there.
    """
    if any(find_spec(name) is None for name in _NEEDED):
        return None
    from otel_dbmon.advise.model import AdviceError
    from otel_dbmon.report.delivery import DeliveryError
    from otel_dbmon.report.make import NoReportError

    try:
        return _written(folder, figures)
    except (AdviceError, DeliveryError, NoReportError) as error:
        raise DemoError(f"There is no report: {error}") from None


def _written(folder: Path, figures: Figures) -> Path:
    from otel_dbmon.querying.access import NONE
    from otel_dbmon.report.delivery import write
    from otel_dbmon.report.html import as_html
    from otel_dbmon.report.make import Source, make
    from otel_dbmon.report.period import Period, parse_end, parse_length
    from otel_dbmon.report.telling import tell

    advice = _write_advice(folder, figures)
    # A scrape has no period; one has to be given all the same.
    period = Period(parse_end(None), parse_length("1d"))
    source = Source(None, NONE, folder / "metrics.prom", period, spans=folder / "spans.jsonl", advice=advice)
    page = folder / PAGE
    write(page, as_html(tell(make(source))))
    return page


def _write_advice(folder: Path, figures: Figures) -> Path:
    """What ``otel-dbmon advise`` says of the shop's database and of what was sent to it."""
    from otel_dbmon.advise.asking import Request, ask
    from otel_dbmon.advise.render import as_json

    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    path = folder / ADVICE
    with tempfile.TemporaryDirectory() as elsewhere:
        statements = Path(elsewhere) / "statements.jsonl"
        statements.write_text(_statements(figures), encoding="utf-8")
        ask(
            Request(str(folder / "shop.db"), (statements,)),
            lambda advice, prover: _keep(path, as_json(advice, prover)),
        )
    return path


def _keep(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")


def _statements(figures: Figures) -> str:
    lines = (
        {"sql": text, "calls": len(durations_ms), "total_ms": sum(durations_ms), "service": "shop"}
        for text, durations_ms in figures.durations_ms.items()
    )
    return "".join(json.dumps(line) + "\n" for line in lines)
