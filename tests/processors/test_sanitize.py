"""Templates become texts that may leave, case by case from data files."""

from __future__ import annotations

import pytest
from cases_of import Case, cases_in

from otel_dbmon_processors.analysis import analyze


@pytest.mark.parametrize("case", cases_in("sanitize"), ids=str)
def test_what_leaves(case: Case) -> None:
    """Literals, comments and secrets are gone, everything else is still there."""
    assert analyze(case.sql, case.dialect).sanitized == case.expected["sanitized"]
