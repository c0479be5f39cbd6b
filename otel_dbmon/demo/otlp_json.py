"""Turns an OTLP message into one line of OTLP/JSON, as the OTLP specification maps it.

Two things differ from protobuf's own JSON mapping: trace and span ids are hexadecimal, and enums are numbers
(https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
"""

from __future__ import annotations

import base64
import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

_ID_FIELDS = frozenset({"traceId", "spanId", "parentSpanId"})


def to_json_line(message: Message) -> str:
    """One line, without its line feed, for any OTLP message."""
    fields = MessageToDict(message, use_integers_for_enums=True)
    return json.dumps(_with_hex_ids(fields), ensure_ascii=False, separators=(",", ":"))


def _with_hex_ids(value: Any) -> Any:
    # The keys of attributes are values in OTLP ({"key": .., "value": ..}), so these names are always the fields.
    if isinstance(value, dict):
        return {
            key: base64.b64decode(inner).hex() if key in _ID_FIELDS else _with_hex_ids(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_with_hex_ids(inner) for inner in value]
    return value
