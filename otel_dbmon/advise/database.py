"""The address of a database comes in, out goes who can prove something there, and the statements it remembers."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_dbmon.advise.model import AdviceError, Prover
from otel_dbmon.advise.sources import from_pg_stat_statements
from otel_dbmon.advise.sqlite import SQLite
from otel_dbmon.advise.workload import Sighting

if TYPE_CHECKING:
    import psycopg

_MISSING_DRIVER = '{} needs its driver: pip install "otel-dbmon[advise]"'


@dataclass
class Database:
    """A database that can be asked.

    Attributes:
        prover: Says what queries cost.
        connection: PostgreSQL's connection, for what it remembers; None of another database.
    """

    prover: Prover
    connection: psycopg.Connection[Any] | None = None

    def remembered(self) -> list[Sighting]:
        """The statements that the database has counted itself.

        Raises:
            AdviceError: It counts none.
        """
        if self.connection is None:
            raise AdviceError("only PostgreSQL is asked for its statements: give a file of them with --file")
        return from_pg_stat_statements(self.connection)

    def close(self) -> None:
        """Ask no more."""
        self.prover.close()


def open_database(address: str, unproven: bool = False, explainer: str = "") -> Database:
    """Connect.

    Args:
        address: A URL as SQLAlchemy writes it, a connection string of libpq, or the path of a SQLite file.
        unproven: Whether to go on where nothing can be proven.
        explainer: PostgreSQL's function that explains by another role's rights; "" if there is none.

    Raises:
        AdviceError: There is no such database, or no driver for it.
    """
    scheme, _, rest = address.partition("://")
    kind = scheme.partition("+")[0].lower() if rest else ""
    if kind == "sqlite":
        return Database(SQLite(Path(urllib.parse.unquote(rest.removeprefix("/")).partition("?")[0])))
    if kind in ("postgresql", "postgres"):
        return _postgres(f"postgresql://{rest}", unproven, explainer)
    if kind in ("mysql", "mariadb"):
        return _mysql(f"mysql://{rest}")
    if kind:
        raise AdviceError("known are postgresql://, mysql://, mariadb:// and sqlite:///")
    if "=" in address and not Path(address).exists():
        return _postgres(address, unproven, explainer)
    return Database(SQLite(Path(address)))


def _postgres(address: str, unproven: bool, explainer: str) -> Database:
    try:
        from otel_dbmon.advise.postgres import Postgres, connect
    except ImportError:
        raise AdviceError(_MISSING_DRIVER.format("PostgreSQL")) from None
    connection = connect(address)
    try:
        return Database(Postgres(connection, unproven, explainer), connection)
    except BaseException:
        connection.close()
        raise


def _mysql(address: str) -> Database:
    try:
        from otel_dbmon.advise.mysql import MySQL, connect
    except ImportError:
        raise AdviceError(_MISSING_DRIVER.format("MySQL")) from None
    return Database(MySQL(connect(address)))
