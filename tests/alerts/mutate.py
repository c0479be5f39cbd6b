"""Lets promtool run the cases of alerts on rules that are wrong in one place each; says which of them nobody notices.

python tests/alerts/mutate.py                 # all
python tests/alerts/mutate.py --sample 40     # some, chosen by chance
python tests/alerts/mutate.py --only DatabaseUnreachable
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml
from mutants import Mutant, mutants
from rulebook import CASES, ROOT, RULES, Rule, alerts_on, rules


def main(arguments: list[str] | None = None) -> int:
    """Run the mutants, print each survivor and the count; the exit status is 1 where one survived."""
    parser = argparse.ArgumentParser(description="Check that every part of the alert rules is pinned by a case.")
    parser.add_argument("--only", help="the mutants of one rule")
    parser.add_argument("--sample", type=int, help="so many of the mutants")
    parser.add_argument("--seed", type=int, default=None, help="which ones")
    options = parser.parse_args(arguments)
    chosen = [mutant for rule in rules() if options.only in (None, rule.name) for mutant in mutants(rule)]
    if options.sample is not None and options.sample < len(chosen):
        chosen = random.Random(options.seed).sample(chosen, options.sample)
    alive = survivors(chosen)
    for mutant in alive:
        print(f"SURVIVED {mutant.rule.name}: {mutant.change}")
    print(f"{len(chosen) - len(alive)}/{len(chosen)} mutants of the rules were killed")
    return 1 if alive else 0


def survivors(chosen: list[Mutant]) -> list[Mutant]:
    """Those of the mutants with which every case still passes."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        return [mutant for mutant, lives in zip(chosen, pool.map(_survives, chosen), strict=True) if lives]


def _survives(mutant: Mutant) -> bool:
    """Whether the cases of every alert that hangs on the rule pass with the mutant in its place."""
    with tempfile.TemporaryDirectory(prefix="dbmon-mutant-") as folder:
        return all(_passes(mutant, alert, Path(folder) / alert.name) for alert in alerts_on(mutant.rule))


def _passes(mutant: Mutant, alert: Rule, folder: Path) -> bool:
    case = folder / CASES.relative_to(ROOT) / f"{alert.name}.yml"
    case.parent.mkdir(parents=True)
    shutil.copy(CASES / case.name, case)
    file = folder / RULES.relative_to(ROOT) / alert.file.name
    file.parent.mkdir(parents=True)
    file.write_text(yaml.safe_dump({"groups": _groups(mutant, alert)}), encoding="utf-8")
    answer = subprocess.run(["promtool", "test", "rules", str(case)], capture_output=True, check=False)
    return answer.returncode == 0


def _groups(mutant: Mutant, alert: Rule) -> list[dict[str, object]]:
    """The alert and what it looks at, and nothing else: the fewer rules, the faster."""
    needed = [rule for rule in rules() if rule == alert or (rule.name in alert.expr and not rule.is_alert)]
    needed += [rule for rule in rules() if any(rule.name in other.expr for other in needed) and rule not in needed]
    needed.sort(key=lambda rule: (rule.file, rule.place))
    return [{"name": "all", "rules": [mutant.data if rule == mutant.rule else rule.data for rule in needed]}]


if __name__ == "__main__":
    sys.exit(main())
