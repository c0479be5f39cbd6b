"""Several gateways that keep what tells something: each trace whole, in one place, and only if it is worth it."""

from __future__ import annotations

import secrets as dice
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import together, until
from stack import Stack, spans_in

#: Name of a trace's last span -> what tells of it; all have an ordinary span as well.
WORTH_IT: dict[str, dict[str, Any]] = {
    "slow": {"attributes": [{"key": "dbmon.slow", "value": {"boolValue": True}}]},
    "row by row": {"attributes": [{"key": "dbmon.n_plus_one", "value": {"boolValue": True}}]},
    "failed": {"status": {"code": 2}},
    "long": {"endTimeUnixNano": "9000000000"},
}
GATEWAYS = ("first", "second")
EACH = 20


@pytest.fixture(scope="module")
def kept(
    tmp_path_factory: pytest.TempPathFactory, secrets: Path, collector: Path
) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """What each gateway kept of twenty traces of each kind that an agent was sent, one span after the other."""
    stack = Stack(tmp_path_factory.mktemp("sampling"), secrets, collector, Path())
    hosts = [f"localhost:{stack.ports[f'{name}_grpc']}" for name in GATEWAYS]
    written = {name: stack.folder / f"{name}.jsonl" for name in GATEWAYS}
    try:
        together(
            *(
                stack.run_collector(
                    name,
                    ["gateway.yaml", "file.yaml", "tail-sampling.yaml"],
                    DBMON_TAIL_WAIT="2s",
                    DBMON_TAIL_PERCENT="0",
                    DBMON_TRACES_FILE=str(written[name]),
                )
                for name in GATEWAYS
            ),
            # This machine has no name with two addresses: they are told one by one.
            stack.run_collector(
                "agent",
                ["agent.yaml", "agent-balanced.yaml"],
                f"exporters: {{loadbalancing/traces: {{resolver: {{dns: null, static: {{hostnames: {hosts}}}}}}}}}",
                DBMON_GATEWAYS="localhost",
            ),
        )
        traces = [(kind, dice.token_hex(16)) for kind in ("ordinary", *WORTH_IT) for _ in range(EACH)]
        for telling in (False, True):
            spans = [span(trace, kind if telling else "ordinary") for kind, trace in traces]
            body = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
            stack.operator.post(f"{stack.url('agent_http')}/v1/traces", body)
        enough = 2 * EACH * len(WORTH_IT)
        until("traces are kept", lambda: sum(len(list(spans_in(path))) for path in written.values()) >= enough)
        yield {name: list(spans_in(path)) for name, path in written.items()}
    finally:
        stack.close()


def span(trace: str, kind: str) -> dict[str, Any]:
    """One span, as OTLP JSON."""
    plain = {"traceId": trace, "spanId": dice.token_hex(8), "name": kind, "kind": 3}
    return {**plain, "startTimeUnixNano": "1000000000", "endTimeUnixNano": "1001000000", **WORTH_IT.get(kind, {})}


def test_what_tells_something_is_kept(kept: dict[str, list[dict[str, Any]]]) -> None:
    """Slow, failed, row by row: both spans of each such trace, and no other trace."""
    spans = [span for spans in kept.values() for span in spans]
    assert {kind: sum(span["name"] == kind for span in spans) for kind in WORTH_IT} == dict.fromkeys(WORTH_IT, EACH)
    assert len(spans) == 2 * EACH * len(WORTH_IT)


def test_trace_is_whole_in_one_place(kept: dict[str, list[dict[str, Any]]]) -> None:
    """Both gateways have a share, and no trace is in both."""
    first, second = ({span["traceId"] for span in spans} for spans in kept.values())
    assert first
    assert second
    assert not first & second
