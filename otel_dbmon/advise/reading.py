"""A statement comes in, its reading part goes out: one SELECT that finds the same rows, and its syntax tree.

Only that part is ever sent to a database, so the advisor needs no right to write, not even to have a write explained.
"""

from __future__ import annotations

import math

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from otel_dbmon.advise.model import CannotAnalyseError, SearchesNothingError, Statement
from otel_dbmon.advise.template import template_of
from otel_dbmon.explain.template import ASSUMED_LIMIT, Parameter, Template, TemplateError, colon

#: The first words of statements that may find rows, as they are analysed.
_READERS = frozenset({"SELECT", "WITH", "UPDATE", "DELETE", "INSERT", "REPLACE"})
_WRITES = (exp.Insert, exp.Update, exp.Delete, exp.Merge)


def read(statement: Statement, dialect: str) -> tuple[Template, exp.Expr]:
    """The reading part of a statement, as a template and as a tree.

    Args:
        statement: Any statement.
        dialect: Whose SQL it is, as sqlglot calls it.

    Raises:
        CannotAnalyseError: It reads nothing, or nobody can tell what.
    """
    if statement.operation not in _READERS:
        raise SearchesNothingError(f"{statement.operation or 'the statement'} searches no table")
    template = _template(statement.text, dialect, _limit_of(statement))
    tree = _tree(template, dialect)
    found = _reading_part(tree)
    if any(found.find(kind) for kind in _WRITES):
        raise CannotAnalyseError("it writes inside a WITH")
    for locked in list(found.find_all(exp.Select)):
        # FOR UPDATE would ask for the right to update.
        if locked.args.get("locks"):
            locked.set("locks", None)
            found = found if found is not tree else found.copy()
    if found is tree:
        return template, tree
    part = _template(found.sql(dialect=dialect), dialect, ASSUMED_LIMIT)
    return Template(part.pieces, template.remarks), _tree(part, dialect)


def _limit_of(statement: Statement) -> int:
    """What LIMIT is taken to be: as many rows as a call returned, as far as that is known."""
    if not statement.rows or not statement.calls:
        return ASSUMED_LIMIT
    return max(1, math.ceil(statement.rows / statement.calls))


def _template(text: str, dialect: str, limit: int) -> Template:
    try:
        return template_of(text, dialect, limit)
    except TemplateError as error:
        raise CannotAnalyseError(str(error)) from None


def _tree(template: Template, dialect: str) -> exp.Expr:
    try:
        tree = sqlglot.parse_one(template.text(_typed), read=dialect)
    except (SqlglotError, RecursionError):
        raise CannotAnalyseError("its syntax is not understood") from None
    if tree is None or isinstance(tree, exp.Command):
        raise CannotAnalyseError("its syntax is not understood")
    return tree


def _typed(parameter: Parameter) -> str:
    return f"CAST({colon(parameter)} AS {parameter.type})" if parameter.type else colon(parameter)


def _reading_part(tree: exp.Expr) -> exp.Expr:
    if isinstance(tree, exp.Query):
        return tree
    if isinstance(tree, exp.Insert):
        if isinstance(tree.expression, exp.Query) and not isinstance(tree.expression, exp.Values):
            return tree.expression
        raise SearchesNothingError("INSERT of values searches no table")
    if isinstance(tree, (exp.Update, exp.Delete)):
        return _as_select(tree)
    raise CannotAnalyseError(f"{tree.key.upper()} is not looked at")


def _as_select(tree: exp.Update | exp.Delete) -> exp.Expr:
    """``UPDATE t SET .. WHERE ..`` as ``SELECT 1 FROM t WHERE ..``."""
    where = tree.args.get("where")
    if where is None:
        raise CannotAnalyseError(f"{tree.key.upper()} without WHERE touches every row: no index helps")
    select = exp.select("1").from_(tree.this.copy())
    for source in _sources(tree):
        select = select.join(source.copy(), join_type="cross")
    select = select.where(where.this.copy())
    for clause in ("order", "limit"):
        if (found := tree.args.get(clause)) is not None:
            select.set(clause, found.copy())
    return select


def _sources(tree: exp.Update | exp.Delete) -> list[exp.Expr]:
    """What UPDATE .. FROM and DELETE .. USING name besides."""
    origin = tree.args.get("from_") or tree.args.get("from")
    if origin is not None:
        return [origin.this, *(join.this for join in origin.args.get("joins") or ())]
    return [source for source in tree.args.get("using") or () if source != tree.this]
