"""A request comes in, the advice goes out: connects, collects the workload, asks, and lets go of the database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from otel_dbmon.advise.advice import Advice, advise
from otel_dbmon.advise.database import Database, open_database
from otel_dbmon.advise.model import MAX_PER_TABLE, MIN_SAVING, AdviceError, Prover, Unanalysed
from otel_dbmon.advise.sources import from_file, from_prometheus, read_text
from otel_dbmon.advise.workload import Sighting, workload_of
from otel_dbmon.querying.prometheus import Prometheus


@dataclass(frozen=True)
class Request:
    """What to look at.

    Attributes:
        database: Its address.
        files: Files of statements; PostgreSQL's own statistics if there are none.
        prometheus: Where our metrics are; None if they shall not be asked.
        period: Over how long, as PromQL writes it.
        limit: How many statements are looked at.
        min_saving: Which part of a statement's cost an index has to save.
        max_per_table: How many indexes of a table are suggested at most.
        unproven: Whether to go on where nothing can be proven.
        explainer: PostgreSQL's function that explains by another role's rights; "" if there is none.
    """

    database: str
    files: tuple[Path, ...] = ()
    prometheus: Prometheus | None = None
    period: str = "1d"
    limit: int = 100
    min_saving: float = MIN_SAVING
    max_per_table: int = MAX_PER_TABLE
    unproven: bool = False
    explainer: str = ""


def ask(request: Request, show: Callable[[Advice, Prover], None]) -> Advice:
    """Give advice.

    Args:
        request: What to look at.
        show: Called with the advice while the database can still be asked.

    Raises:
        AdviceError: There is none to give.
    """
    with closing(open_database(request.database, request.unproven, request.explainer)) as database:
        sightings, unknown = _workload(request, database)
        workload = workload_of(sightings, database.prover.dialect)
        advice = advise(workload, database.prover, request.limit, request.min_saving, request.max_per_table)
        advice.unanalysed += unknown
        show(advice, database.prover)
    return advice


def _workload(request: Request, database: Database) -> tuple[list[Sighting], list[Unanalysed]]:
    dialect = database.prover.dialect
    texts: list[Sighting] = []
    for path in request.files:
        texts += from_file(str(path), read_text(path), dialect)
    if not request.files:
        texts = database.remembered()
    elif not texts:
        raise AdviceError("the files hold no statement")
    if request.prometheus is None:
        return texts, []
    return from_prometheus(request.prometheus, request.period, texts, dialect)
