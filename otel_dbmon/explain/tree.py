"""PostgreSQL's plan as JSON comes in; out goes a short tree of text without values, and what of it can change.

What is not known to be harmless is not taken over: of a node only what is named here is read, and of that every
condition is masked, or left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

from otel_dbmon.explain.mask import masked, named
from otel_dbmon_processors.plan import Plan

#: Most characters of a plan's text: Sentry keeps 8 kB of a context, and a person reads less.
MAX_TEXT = 4_000
_MAX_NODES = 1_000
_MAX_DEPTH = 100
_MAX_KEYS = 16
_CONDITIONS = (
    *("Index Cond", "Recheck Cond", "TID Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter", "One-Time Filter"),
    *("Order By", "Conflict Filter", "Run Condition"),
)
_LISTS = ("Sort Key", "Presorted Key", "Group Key", "Cache Key")
_UNIONS = frozenset({"Append", "Merge Append"})

Node = Mapping[str, Any]


def plan_of(root: Node, with_conditions: bool = True) -> Plan:
    """Make the plan.

    Args:
        root: The value of ``Plan``.
        with_conditions: Whether these leave, masked; they are parts of a statement.
    """
    lines: list[str] = []
    steps: list[str] = []
    for depth, node in _nodes(root):
        step = _step(node)
        if step not in steps and (node.get("Relation Name") or "Join" in step or "Loop" in step):
            steps.append(step)
        indent = "  " * depth
        lines.append(f"{indent}{step}  {_estimate(node)}")
        if with_conditions:
            lines += [f"{indent}    {line}" for line in _details(node)]
    cost = root.get("Total Cost")
    return Plan(shortened(lines), hash_of(_shape(root)), tuple(steps), None if cost is None else float(cost))


def shortened(lines: Iterable[str]) -> str:
    """As many of the lines as fit."""
    text = "\n".join(lines)
    if len(text) <= MAX_TEXT:
        return text
    return text[: text.rfind("\n", 0, MAX_TEXT - 4)] + "\n..."


def hash_of(shape: object) -> str:
    """16 hexadecimal digits for what a plan is built of."""
    return blake2b(repr(shape).encode("utf-8", "replace"), digest_size=8).hexdigest()


def _nodes(node: Node, depth: int = 0) -> Iterator[tuple[int, Node]]:
    """All nodes with their depth, in order, as many as anybody looks at."""
    waiting = [(depth, node)]
    for _ in range(_MAX_NODES):
        if not waiting:
            return
        depth, node = waiting.pop()
        yield depth, node
        if depth < _MAX_DEPTH:
            waiting += [(depth + 1, part) for part in reversed(node.get("Plans", ()))]


def _step(node: Node) -> str:
    """What a node does, in the words of PostgreSQL's own text format."""
    kind, join, operation = named(node.get("Node Type", "?")), node.get("Join Type"), node.get("Operation")
    if kind == "ModifyTable" and operation:
        kind = named(operation)
    elif kind == "Aggregate" and node.get("Strategy") in ("Hashed", "Sorted", "Mixed"):
        kind = {"Hashed": "HashAggregate", "Sorted": "GroupAggregate", "Mixed": "MixedAggregate"}[node["Strategy"]]
    elif join and join != "Inner":
        kind = f"{kind} {named(join)} Join" if "Join" not in kind else kind.replace("Join", f"{named(join)} Join")
    words = [kind]
    if node.get("Index Name"):
        words.append(f"using {named(node['Index Name'])}")
    target = next((node[key] for key in ("Relation Name", "CTE Name", "Function Name") if node.get(key)), "")
    if target:
        words.append(f"on {named(target)}")
        alias = node.get("Alias")
        if alias and alias != target:
            words.append(named(alias))
    return " ".join(words)


def _estimate(node: Node) -> str:
    estimates = (("cost", node.get("Total Cost")), ("rows", node.get("Plan Rows")))
    said = [f"{name}={value:.0f}" for name, value in estimates if isinstance(value, (int, float))]
    return f"({' '.join(said)})"


def _details(node: Node) -> Iterator[str]:
    for key in _CONDITIONS:
        if isinstance(node.get(key), str):
            yield f"{key}: {_masked(node[key])}"
    for key in _LISTS:
        if isinstance(node.get(key), list):
            yield f"{key}: {', '.join(_masked(part) for part in node[key][:_MAX_KEYS])}"


def _masked(condition: object) -> str:
    return masked(str(condition), "postgresql") or "(left out)"


def _shape(node: Node, depth: int = 0) -> tuple[object, ...]:
    """What makes two plans another way of running a statement: steps, indexes, order."""
    parts = node.get("Plans", ()) if depth < _MAX_DEPTH else ()
    shapes: Iterable[tuple[object, ...]] = (_shape(part, depth + 1) for part in parts)
    if node.get("Node Type") in _UNIONS:
        # A partition more is no other plan.
        shapes = dict.fromkeys(_anonymous(part, depth + 1) for part in parts)
    return (_step(node), *shapes)


def _anonymous(node: Node, depth: int) -> tuple[object, ...]:
    parts = node.get("Plans", ()) if depth < _MAX_DEPTH else ()
    return (node.get("Node Type"), node.get("Join Type"), *(_anonymous(part, depth + 1) for part in parts))


def change_of(before: Plan, now: Plan) -> str:
    """What is another way of reading or joining tables, in words."""
    gone = [step for step in before.steps if step not in now.steps]
    new = [step for step in now.steps if step not in before.steps]
    if not gone and not new:
        return "the same steps in another order, or with others around them"
    was, is_now = (", ".join(steps[:4]) or "nothing of the kind" for steps in (gone, new))
    return f"was {was}, now {is_now}"
