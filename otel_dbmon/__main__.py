"""Makes ``python -m otel_dbmon`` the same as ``otel-dbmon``, for environments without scripts on the path."""

from __future__ import annotations

import sys

from otel_dbmon.command import main

sys.exit(main())
