"""What a statement does and how it is built, case by case from data files."""

from __future__ import annotations

import pytest
from cases_of import Case, cases_in, lists_in

from otel_dbmon_processors.analysis import analyze
from otel_dbmon_processors.classify import MAX_SUMMARY


@pytest.mark.parametrize("case", cases_in("classify"), ids=str)
def test_what_a_statement_says(case: Case) -> None:
    """Whatever a case expects, and nothing of it in another form."""
    analysis = analyze(case.sql, case.dialect)
    found = {**analysis._asdict(), "type": analysis.query_type, "collections": list(analysis.collections)}
    assert {name: found[name] for name in case.expected} == case.expected


def test_statements_of_one_pattern_share_a_fingerprint() -> None:
    """Inside a group one name, between groups none."""
    names = [{analyze(sql).fingerprint for sql in group} for _, group in lists_in("fingerprint")]
    assert [len(group) for group in names] == [1] * len(names)
    assert len(set.union(*names)) == len(names)


def test_a_fingerprint_is_the_same_everywhere() -> None:
    """It is stored and compared across processes and machines."""
    assert analyze("SELECT a FROM t WHERE b = 1").fingerprint == "091231dbaea81927"


def test_a_summary_is_cut_before_the_name_that_passes_the_limit() -> None:
    """Never in the middle of a name."""
    tables = [f"a_rather_long_table_name_{index}" for index in range(20)]
    summary = analyze(f"SELECT * FROM {', '.join(tables)}").summary
    assert len(summary) <= MAX_SUMMARY < len(f"{summary} {tables[0]}")
    assert summary.split()[1:] == tables[: len(summary.split()) - 1]
