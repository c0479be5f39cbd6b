"""Turns "drop" into "record, but do not export" for database spans, so that unsampled statements are counted too."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

# Members of an enumeration are found by a search each time.
_DROP = Decision.DROP


class RecordUnsampled(Sampler):
    """Asks another sampler and records what it would drop; nothing more is exported.

    The SDK's ``AlwaysRecordSampler`` loses attributes here: ratio samplers return none with a drop.

    Args:
        sampler: The sampler that decides what is exported.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """The other sampler's decision, with DROP replaced by RECORD_ONLY."""
        result = self._sampler.should_sample(parent_context, trace_id, name, kind, attributes, links)
        if result.decision is not _DROP:
            return result
        return SamplingResult(Decision.RECORD_ONLY, attributes, result.trace_state)

    def get_description(self) -> str:
        """``RecordUnsampled{...}`` around the other sampler's own."""
        return f"RecordUnsampled{{{self._sampler.get_description()}}}"
