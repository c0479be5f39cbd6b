"""A private PostgreSQL as it should run: TLS only, passwords only; it can be stopped and started again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psycopg
from cluster import PostgreSQL, find
from ports import quiet_port
from seed import seed
from sqlalchemy import create_engine

HBA = """
hostssl all all 127.0.0.1/32 scram-sha-256
hostssl all all ::1/128 scram-sha-256
"""


class SecuredPostgreSQL(PostgreSQL):
    """A server whose certificate and password come from the secrets.

    Args:
        secrets: The folder of certificates and passwords.
    """

    def __init__(self, secrets: Path) -> None:
        super().__init__()
        self.port = quiet_port()
        self._secrets = secrets
        self._password = (secrets / "postgres.password").read_text()
        self.url = self.url_of("postgres")

    def url_of(self, database: str, driver: str = "") -> str:
        """How to connect to a database; the server's certificate is checked."""
        root = self._secrets / "ca.pem"
        scheme = f"postgresql{driver}"
        query = f"sslmode=verify-full&sslrootcert={root}"
        return f"{scheme}://dbmon:{self._password}@localhost:{self.port}/{database}?{query}"

    def make(self, folder: Path) -> list[object]:
        """Likewise."""
        command = super().make(folder)
        self._data = folder / "data"
        for name, target in (("ca.pem", "root.crt"), ("postgres.pem", "server.crt"), ("postgres.key", "server.key")):
            shutil.copy(self._secrets / name, self._data / target)
            self._give(self._data / target)
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(
                "listen_addresses = 'localhost'\nssl = on\nssl_ca_file = 'root.crt'\nmax_connections = 200\n"
            )
        # The superuser's password is set while nobody can connect.
        postgres = find("initdb", "usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/local/pgsql/bin").resolve()
        self._pg_ctl = postgres.with_name("pg_ctl")
        statement = self._data.parent / "password.sql"
        statement.write_text(f"ALTER ROLE dbmon PASSWORD '{self._password}'")
        self._give(statement)
        single = f"{postgres.with_name('postgres')} --single -D {self._data} postgres < {statement}"
        self.run("/bin/sh", "-c", single)
        statement.unlink()
        (self._data / "pg_hba.conf").write_text(HBA)
        return command

    def stop(self) -> None:
        """Stop it at once; connections break."""
        self.run(self._pg_ctl, "stop", "-D", self._data, "-m", "immediate")

    def start(self) -> None:
        """Start it again on the same port."""
        self.run(self._pg_ctl, "start", "-w", "-D", self._data, "-l", self.folder / "output")

    def __exit__(self, *_: object) -> None:
        # It may no longer be the process that was started first.
        if (self._data / "postmaster.pid").exists():
            self.stop()
        super().__exit__()

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement outside any transaction."""
        with psycopg.connect(self.url_of(database), autocommit=True) as connection:
            connection.execute(statement)

    def fill(self, database: str) -> None:
        """Make a database, with the shop's customers, products and orders."""
        self.execute(f"CREATE DATABASE {database}")
        self.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        for extension in ("pg_stat_statements", "hypopg"):
            self.execute(f"CREATE EXTENSION {extension}", database)
        engine = create_engine(self.url_of(database, "+psycopg"))
        seed(engine)
        engine.dispose()

    def _give(self, path: Path) -> None:
        path.chmod(0o600)
        if self.user:
            os.chown(path, self.user["user"], self.user["group"])
