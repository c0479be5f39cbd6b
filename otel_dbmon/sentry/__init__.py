"""The Sentry bridge: links what reaches Sentry to traces, takes values out of it, and tells it what was found."""

from __future__ import annotations

from otel_dbmon.sentry.start import install

__all__ = ["install"]
