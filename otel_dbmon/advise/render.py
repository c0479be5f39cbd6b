"""Advice comes in; a table for a person, JSON for a program or Markdown for a review goes out. None holds a value."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from otel_dbmon.advise.advice import Advice
from otel_dbmon.advise.model import Prover, Unanalysed
from otel_dbmon.advise.selection import Helped, Suggestion
from otel_dbmon.cli.screen import plain

_PROOFS = {
    "cost": "proven: the planner's own costs, with the index supposed to exist",
    "plan": "proven in part: the planner would use the index; how much it saves is not known",
    "none": "unproven: these tables are read as a whole; whether the index would be used is not known",
}
_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_CROWDED = "Would pay off, but the table has got its share (--max-per-table)"
_TOO_DEAR = "Not worth it: at this rate of writes they cost more than they save"
_LONGEST = 100
_SHOWN_STATEMENTS = 3


def as_json(advice: Advice, prover: Prover) -> str:
    """One JSON object."""
    document = {
        "proof": advice.proof,
        "analysed": advice.analysed,
        "searching_nothing": advice.searching_nothing,
        "left_out": advice.left_out,
        "suggestions": [_suggestion(found, advice.proof, prover) for found in advice.suggestions],
        "crowded_out": [_suggestion(found, advice.proof, prover) for found in advice.crowded_out],
        "not_worth_it": [_suggestion(found, advice.proof, prover) for found in advice.too_dear],
        "remarks": [_reason(found) for found in advice.remarks],
        "unanalysed": [_reason(found) for found in advice.unanalysed],
    }
    return json.dumps(document, indent=2)


def _reason(found: Unanalysed) -> dict[str, object]:
    return {"fingerprint": found.fingerprint, "statement": found.shown, "reason": found.reason}


def _suggestion(found: Suggestion, proof: str, prover: Prover) -> dict[str, object]:
    return {
        "table": found.table.label,
        "columns": [str(key) for key in found.index.keys],
        "create": prover.create(found.index),
        "size_bytes": found.size,
        "rows": found.table.rows,
        "workload_saving": found.benefit if proof == "cost" else None,
        "write_overhead": found.upkeep if proof == "cost" else None,
        "rows_written": found.writes,
        "replaces": list(found.replaces),
        "services": list(_services(found)),
        "statements": [_helped(helped, proof) for helped in found.helped],
    }


def _helped(helped: Helped, proof: str) -> dict[str, object]:
    statement = helped.query.statement
    is_proven = proof == "cost"
    return {
        "fingerprint": statement.fingerprint,
        "statement": statement.shown,
        "calls": statement.calls,
        "total_ms": statement.total_ms,
        "services": list(statement.services),
        "cost_before": helped.before if is_proven else None,
        "cost_after": helped.after if is_proven else None,
        "saving": round(1 - helped.after / helped.before, 4) if is_proven else None,
        "saving_range": [round(share, 4) for share in helped.spread] if helped.spread else None,
        "remarks": list(helped.query.template.remarks),
    }


def _services(found: Suggestion) -> list[str]:
    return sorted({service for helped in found.helped for service in helped.query.statement.services})


def as_markdown(advice: Advice, prover: Prover) -> str:
    """For a review: what to create, why, and what is not known."""
    return "\n".join(_markdown(advice, prover)) + "\n"


def _markdown(advice: Advice, prover: Prover) -> Iterator[str]:
    yield "# Index advice"
    yield ""
    yield f"{_headline(advice)} ({_PROOFS[advice.proof]})."
    for number, found in enumerate(advice.suggestions, 1):
        yield ""
        yield f"## {number}. {_code(str(found.index))}"
        yield ""
        yield "```sql"
        yield prover.create(found.index)
        yield "```"
        yield ""
        for fact in _facts(found, advice.proof):
            yield f"- {fact}"
        yield ""
        yield "| statement | calls | cost before | cost after | saving |"
        yield "| --- | ---: | ---: | ---: | ---: |"
        for helped in found.helped:
            statement = helped.query.statement
            before, after = _costs(helped, advice.proof)
            cells = (
                _code(_cut(statement.shown)),
                f"{statement.calls:,.0f}",
                before,
                after,
                saving(helped, advice.proof),
            )
            yield f"| {' | '.join(cells)} |"
    for title, entries in (
        (_CROWDED, [_code(str(found.index)) for found in advice.crowded_out]),
        (_TOO_DEAR, [_code(str(found.index)) for found in advice.too_dear]),
        ("Could help, but is not suggested", [_line(found) for found in advice.remarks]),
        ("Not analysed", [_line(found) for found in advice.unanalysed]),
    ):
        if entries:
            yield ""
            yield f"## {title}"
            yield ""
            yield from (f"- {entry}" for entry in entries)


def _line(found: Unanalysed) -> str:
    return f"{_code(_cut(found.shown) or found.fingerprint)}: {found.reason}"


def _code(text: str) -> str:
    """Text that Markdown shows as it is, in a table as well."""
    ticks = "``" if "`" in text else "`"
    pad = " " if "`" in text else ""
    return f"{ticks}{pad}{' '.join(text.split())}{pad}{ticks}".replace("|", "\\|")


def as_table(advice: Advice, prover: Prover) -> RenderableType:
    """For a terminal."""
    parts: list[RenderableType] = [Text(f"{_headline(advice)} ({_PROOFS[advice.proof]})", "bold")]
    for number, found in enumerate(advice.suggestions, 1):
        parts += [Text(), plain(f"{number}. {prover.create(found.index)}", "bold green")]
        parts += [plain(f"   {fact}") for fact in _facts(found, advice.proof)]
        parts.append(_statements(found, advice.proof))
    for title, indexes in ((_CROWDED, advice.crowded_out), (_TOO_DEAR, advice.too_dear)):
        if indexes:
            parts += [Text(), Text(title, "bold"), *(plain(f"   {found.index}") for found in indexes)]
    for title, entries in (("Could help, but is not suggested", advice.remarks), ("Not analysed", advice.unanalysed)):
        if entries:
            parts += [Text(), Text(title, "bold"), _reasons(entries)]
    return Group(*parts)


def _statements(found: Suggestion, proof: str) -> Grid:
    grid = Grid(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    grid.add_column("   statement", overflow="fold")
    for title in ("calls", "cost", "saving"):
        grid.add_column(title, justify="right", no_wrap=True)
    for helped in found.helped[:_SHOWN_STATEMENTS]:
        statement = helped.query.statement
        before, after = _costs(helped, proof)
        cost = f"{before} > {after}" if proof == "cost" else "-"
        grid.add_row(plain(f"   {_cut(statement.shown)}"), f"{statement.calls:,.0f}", cost, saving(helped, proof))
    if len(found.helped) > _SHOWN_STATEMENTS:
        grid.add_row(Text(f"   and {len(found.helped) - _SHOWN_STATEMENTS} more", "dim"))
    return grid


def _reasons(entries: list[Unanalysed]) -> Grid:
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(overflow="fold")
    grid.add_column(style="dim", overflow="fold")
    for found in entries:
        grid.add_row(plain(f"   {_cut(found.shown) or found.fingerprint}"), plain(found.reason))
    return grid


def _headline(advice: Advice) -> str:
    count = len(advice.suggestions)
    indexes = "No index" if not count else "1 index" if count == 1 else f"{count} indexes"
    left_out = f", {advice.left_out:,} more left out (--limit)" if advice.left_out else ""
    nothing = f", {advice.searching_nothing:,} search no table" if advice.searching_nothing else ""
    statements = "1 statement" if advice.analysed == 1 else f"{advice.analysed:,} statements"
    return f"{indexes} for {statements}{nothing}{left_out}"


def _facts(found: Suggestion, proof: str) -> Iterator[str]:
    if found.size is not None:
        yield f"size: about {size(found.size)}, on {found.table.rows:,.0f} rows"
    if services := _services(found):
        yield f"services: {', '.join(services)}"
    if proof == "cost" and found.upkeep:
        yield f"writes: {found.writes:,.0f} rows, which take {found.upkeep / found.benefit:.1%} of what it saves"
    if found.replaces:
        yield f"makes needless: {', '.join(found.replaces)}"
    yield from dict.fromkeys(text for helped in found.helped for text in helped.query.template.remarks)


def _costs(helped: Helped, proof: str) -> tuple[str, str]:
    return (_number(helped.before), _number(helped.after)) if proof == "cost" else ("-", "-")


def _number(cost: float) -> str:
    return f"{cost:,.0f}" if cost >= 100 else f"{cost:.1f}"


def saving(helped: Helped, proof: str) -> str:
    """How much is saved, with its range where values are skewed."""
    if proof != "cost":
        return "unknown"
    share = _percent(1 - helped.after / helped.before)
    if helped.spread is None or _percent(helped.spread[0]) == _percent(helped.spread[1]):
        return share
    return f"{share} ({_percent(helped.spread[0])} to {_percent(helped.spread[1])})"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share < 0.99 else f"{share:.2%}"


def size(count: float) -> str:
    """Bytes for a person."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:,.0f} {_UNITS[unit]}"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 2].rsplit(" ", 1)[0] + " .."
