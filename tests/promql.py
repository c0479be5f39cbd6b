"""Takes a PromQL expression and the labels that each series may have, says which names in it nobody declares.

What the registry declares and what the programs of the stack tell of themselves is in :func:`declared`; recorded series
get the labels that their own expression leaves.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml

sys.path.append(str(Path(__file__).resolve().parents[1] / "semconv"))
from generator.registry import read

_ROOT = Path(__file__).resolve().parents[1]
#: Every series that arrives says of which service (job) and process (instance) it is.
_TARGET = frozenset({"job", "instance"})
_OVERFLOW = "otel_metric_overflow"

Labels = frozenset[str]


class UndeclaredError(Exception):
    """A series that nobody declares, or a label that it does not have."""


@cache
def declared() -> Mapping[str, Labels]:
    """The labels of each series that the registry, or a program of the stack, declares."""
    series: dict[str, Labels] = {}
    for metric in read(_ROOT / "semconv" / "registry").metrics:
        labels = _TARGET | {name.replace(".", "_") for name in metric.attributes} | {_OVERFLOW}
        if metric.instrument == "histogram":
            series |= {metric.prometheus_name + suffix: labels for suffix in ("_sum", "_count")}
            series[metric.prometheus_name + "_bucket"] = labels | {"le"}
        else:
            series[metric.prometheus_name] = labels
    programs = yaml.safe_load((_ROOT / "tests" / "self_metrics.yaml").read_text(encoding="utf-8"))
    return series | {name: _TARGET | frozenset(labels) for name, labels in programs.items()}


def labels_left(expression: str, series: Mapping[str, Labels]) -> Labels:
    """The labels that the result of an expression can have, once every name in it is found declared.

    Raises:
        UndeclaredError: One is not; the text says which.
    """
    return _labels(promql.parse(expression), series)


def _labels(node: Any, series: Mapping[str, Labels]) -> Labels:
    if isinstance(node, promql.VectorSelector):
        return _selected(node, series)
    if isinstance(node, promql.MatrixSelector):
        return _selected(node.vector_selector, series)
    if isinstance(node, promql.AggregateExpr):
        return _aggregated(node, series)
    if isinstance(node, promql.BinaryExpr):
        return _matched(node, series)
    if isinstance(node, promql.Call):
        return _called(node, series)
    if isinstance(node, (promql.ParenExpr, promql.UnaryExpr, promql.SubqueryExpr)):
        return _labels(node.expr, series)
    return frozenset()


def _selected(selector: Any, series: Mapping[str, Labels]) -> Labels:
    names = [selector.name] if selector.name else list(_named(selector, series))
    if not names or any(name not in series for name in names):
        raise UndeclaredError(f"no such series: {selector.prettify()}")
    common = frozenset.union(*(series[name] for name in names))
    _check({matcher.name for matcher in selector.matchers.matchers} - {"__name__"}, common, selector)
    return common


def _named(selector: Any, series: Mapping[str, Labels]) -> Iterator[str]:
    """The series that ``{__name__=~"..."}`` stands for."""
    for matcher in selector.matchers.matchers:
        if matcher.name == "__name__":
            yield from (name for name in series if re.fullmatch(matcher.value, name))


def _aggregated(node: Any, series: Mapping[str, Labels]) -> Labels:
    inner = _labels(node.expr, series)
    operation = str(node.op)
    added = {node.param.val} if operation == "count_values" else set()
    if node.modifier is None:
        return inner if operation in ("topk", "bottomk") else frozenset(added)
    named = frozenset(node.modifier.labels)
    _check(named, inner, node)
    if operation in ("topk", "bottomk"):
        return inner
    return (named if node.modifier.type == promql.AggModifierType.By else inner - named) | added


def _matched(node: Any, series: Mapping[str, Labels]) -> Labels:
    left, right = _labels(node.lhs, series), _labels(node.rhs, series)
    matching = node.modifier.matching if node.modifier is not None else None
    if matching is not None:
        _check(set(matching.labels), left | right, node)
    operation = str(node.op)
    if operation == "or":
        return left | right
    if matching is None or operation in ("and", "unless"):
        return left or right
    copied = frozenset(node.modifier.group_labels or ())
    if node.modifier.card == promql.VectorMatchCardinality.ManyToOne:
        return left | copied
    if node.modifier.card == promql.VectorMatchCardinality.OneToMany:
        return right | copied
    named = frozenset(matching.labels)
    return named if matching.type == promql.LabelModifierType.Include else left - named


def _called(node: Any, series: Mapping[str, Labels]) -> Labels:
    inner = frozenset[str]().union(*(_labels(argument, series) for argument in node.args))
    if node.func.name in ("label_replace", "label_join"):
        target, *sources = (argument.val for argument in node.args[1:])
        _check({sources[1]} if node.func.name == "label_replace" else set(sources[1:]), inner, node)
        return inner | {target}
    if node.func.name in ("vector", "time", "scalar"):
        return frozenset()
    return inner - {"le"} if node.func.name == "histogram_quantile" else inner


def _check(used: set[str] | frozenset[str], known: Labels, node: Any) -> None:
    if unknown := used - known:
        raise UndeclaredError(f"no such label: {', '.join(sorted(unknown))} in {node.prettify()}")
