"""The PostgreSQL of the compose file, without its container: its options, its rules of access, its watcher's role."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cluster import PrivateServer, private
from making import make
from programs import find
from ruamel.yaml import YAML

from otel_dbmon.command import main
from otel_dbmon.deploy.credentials import create_secrets


class Deployed(PrivateServer):
    """A PostgreSQL with what deploy laid out.

    Args:
        stack: The output folder of deploy.
    """

    def __init__(self, stack: Path) -> None:
        super().__init__()
        self._stack = stack
        self.password = (stack / "secrets" / "operator.password").read_text()
        self.ca = stack / "secrets" / "ca.pem"

    def make(self, folder: Path) -> list[object]:
        """As the image does: a superuser with a password, and the options of the compose file."""
        shutil.copytree(self._stack / "secrets", folder / "secrets")
        shutil.copytree(self._stack / "postgres", folder / "postgres")
        if self.user:
            for path in (folder / "secrets", folder / "postgres"):
                for one in (path, *path.rglob("*")):
                    os.chown(one, self.user["user"], self.user["group"])
        initdb = find("initdb", "usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/local/pgsql/bin").resolve()
        password = f"--pwfile={folder}/secrets/operator.password"
        self.run(initdb, "-D", folder / "data", "-U", "postgres", "-A", "scram-sha-256", password, "-N")
        compose: Any = YAML(typ="safe", pure=True).load((self._stack / "compose.yaml").read_text())
        options = [self.here(option) for option in compose["services"]["postgres"]["command"]]
        own = [f"-cport={self.port}", "-clisten_addresses=127.0.0.1", f"-cunix_socket_directories={folder}"]
        return [initdb.with_name("postgres"), "-D", folder / "data", *options, *own]

    def here(self, text: str) -> str:
        """What is mounted in the container, where it is on this machine."""
        text = text.replace("/run/secrets", f"{self.folder}/secrets")
        return text.replace("/etc/postgresql", f"{self.folder}/postgres")

    def connect(self) -> None:
        """As the operator."""
        self.log_in().close()

    def log_in(self, **others: object) -> psycopg.Connection[Any]:
        """Connect as the operator, but for what is given."""
        wanted = {
            "host": "localhost",
            "hostaddr": "127.0.0.1",
            "port": self.port,
            "user": "postgres",
            "password": self.password,
            "dbname": "postgres",
            "sslmode": "verify-full",
            "sslrootcert": self.ca,
            "connect_timeout": 5,
        }
        return psycopg.connect(**{**wanted, **others})  # type: ignore[arg-type]

    def make_watcher(self) -> None:
        """Run the script that the image runs once."""
        script = self.here((self._stack / "postgres" / "watcher.sh").read_text())
        psql = find("psql", "usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")
        environment = {
            **os.environ,
            "PATH": f"{psql.parent}:{os.environ['PATH']}",
            "PGHOST": str(self.folder),
            "PGPORT": str(self.port),
            "PGPASSWORD": self.password,
        }
        subprocess.run(["sh", "-c", script], env=environment, check=True, capture_output=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """One that runs, with the watcher's role."""
    root = tmp_path_factory.mktemp("root")
    make(root, {"user-svc/requirements.txt": "flask\n"})
    command = ["deploy", "--service", f"user-svc={root / 'user-svc'}", "--output", str(root / "stack"), "--apply"]
    assert main(command) == 0
    with private(lambda: Deployed(root / "stack")) as running:
        assert isinstance(running, Deployed)
        running.make_watcher()
        yield running


def watcher(server: Deployed, folder: Path | None = None) -> dict[str, object]:
    """How the agent connects, with certificates of this folder."""
    secrets = folder or server.ca.parent
    return {
        "user": "dbmon",
        "password": (server.ca.parent / "postgres.password").read_text(),
        "sslcert": secrets / "agent.pem",
        "sslkey": secrets / "agent.key",
    }


def test_the_watcher_sees_statistics(server: Deployed) -> None:
    """Over TLS with its certificate and password; it may read what others do, and write nothing."""
    with server.log_in(**watcher(server)) as connection:
        row = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
        assert row == (True,)
        assert connection.execute("SELECT count(*) >= 0 FROM pg_stat_statements").fetchone() == (True,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE public.mine ()")


@pytest.mark.parametrize(
    "who", ["no TLS", "a wrong password", "no certificate", "another authority's certificate", "a server of another"]
)
def test_strangers_get_nowhere(server: Deployed, who: str, tmp_path: Path) -> None:
    """Nobody without TLS or password; no watcher without a certificate of ours; and no server of others is believed."""
    create_secrets(tmp_path)
    strangers: dict[str, dict[str, object]] = {
        "no TLS": {"sslmode": "disable", "sslrootcert": None},
        "a wrong password": {"password": "wrong"},
        "no certificate": {**watcher(server), "sslcert": None, "sslkey": None},
        "another authority's certificate": watcher(server, tmp_path),
        "a server of another": {"sslrootcert": tmp_path / "ca.pem"},
    }
    with pytest.raises(psycopg.OperationalError):
        server.log_in(**strangers[who]).close()
