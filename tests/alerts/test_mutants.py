"""A sample of what `make audit-alerts` does: rules that are wrong in one place are noticed by the cases."""

from __future__ import annotations

from mutants import mutants
from mutate import survivors
from programs import need
from rulebook import rules

#: `make audit-alerts` takes all, for minutes.
_EVERY = 40


def test_a_wrong_rule_is_noticed() -> None:
    """No mutant of the sample passes the cases of the alerts that hang on it."""
    need("promtool")
    sample = [mutant for rule in rules() for mutant in mutants(rule)][::_EVERY]
    assert len(sample) >= 10
    assert survivors(sample) == []


def test_every_rule_has_mutants() -> None:
    """There is something to notice in each rule but the one that has no condition."""
    assert {rule.name for rule in rules() if not list(mutants(rule))} == {"Watchdog"}
