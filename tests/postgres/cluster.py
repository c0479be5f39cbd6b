"""Starts private database servers on free ports, as a user without privileges, and removes all of it at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pymysql
from launching import free_port
from programs import UnavailableError, find, give_up

POSTGRES_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.track_utility = on
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
max_connections = 80
deadlock_timeout = 100ms
logging_collector = on
log_destination = 'csvlog'
log_min_error_statement = error
"""
#: Stops the server and removes its folder when its standard input is closed: by us, or because we are no more.
KEEPER = """
folder=$1; shift
"$@" >"$folder/output" 2>&1 & server=$!
read -r _
kill -INT "$server" 2>/dev/null || true
kill -TERM "$server" 2>/dev/null || true
wait "$server"
rm -rf "$folder"
"""


class PrivateServer(ABC):
    """A context manager around one server.

    Attributes:
        url: How to connect to it, as its superuser.
    """

    url: str

    def __init__(self) -> None:
        self.port = free_port()
        self.user = _unprivileged()

    @abstractmethod
    def make(self, folder: Path) -> list[object]:
        """Make the server's data in a new folder, and give the command that starts it."""

    @abstractmethod
    def connect(self) -> None:
        """Try to connect; raises the driver's ``OperationalError`` as long as it does not work."""

    def __enter__(self) -> PrivateServer:
        # Not below TMPDIR: that may be a folder of root's, which the server's user can't enter or write to.
        self.folder = Path(tempfile.mkdtemp(prefix="dbmon-server-", dir="/tmp" if self.user else None))
        self.environment = {**os.environ, "TMPDIR": str(self.folder)}
        if self.user:
            os.chown(self.folder, self.user["user"], self.user["group"])
        try:
            command = self.make(self.folder)
            self._keeper = subprocess.Popen(
                ["/bin/sh", "-c", KEEPER, "keeper", self.folder, *command],  # type: ignore[list-item]
                stdin=subprocess.PIPE,
                cwd=self.folder,
                env=self.environment,
                start_new_session=True,
                **self.user,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise UnavailableError(f"{type(self).__name__} could not be made: {error}") from error
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        try:
            self._keeper.wait(timeout=30)
        finally:
            self._keeper.kill()

    def run(self, *command: object) -> None:
        """Run a program to its end, as the server's user."""
        subprocess.run(
            command,  # type: ignore[arg-type]
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            env=self.environment,
            **self.user,
        )

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                self.connect()
            except (psycopg.OperationalError, pymysql.OperationalError) as error:
                if time.monotonic() > deadline:
                    output = (self.folder / "output").read_text()
                    raise UnavailableError(f"{type(self).__name__} did not start: {output}") from error
                time.sleep(0.05)
            else:
                return


def _unprivileged() -> dict[str, Any]:
    """Arguments for ``subprocess`` that make the child a user whom a server accepts; they refuse root."""
    if os.geteuid() != 0:
        return {}
    names = {user.pw_name for user in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class PostgreSQL(PrivateServer):
    """PostgreSQL, with pg_stat_statements and a log that can be read."""

    def __init__(self) -> None:
        super().__init__()
        self.url = f"postgresql://dbmon@127.0.0.1:{self.port}/postgres"

    def make(self, folder: Path) -> list[object]:
        """Likewise."""
        initdb = find("initdb", "usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/local/pgsql/bin")
        data = folder / "data"
        self.run(initdb, "-D", data, "-U", "dbmon", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(f"{POSTGRES_SETTINGS}port = {self.port}\n")
        return [initdb.resolve().with_name("postgres"), "-D", data]

    def connect(self) -> None:
        """Likewise."""
        psycopg.connect(self.url, connect_timeout=5).close()


class Standby(PostgreSQL):
    """A hot standby of a private PostgreSQL.

    Args:
        primary: Whose copy it is.
    """

    def __init__(self, primary: PostgreSQL) -> None:
        super().__init__()
        self._primary = primary

    def make(self, folder: Path) -> list[object]:
        """Likewise."""
        # Not pg_basebackup itself: on Debian's PATH is a wrapper of that name.
        programs = find("initdb", "usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/local/pgsql/bin").resolve()
        data = folder / "data"
        self.run(
            programs.with_name("pg_basebackup"),
            "-D",
            data,
            "-d",
            self._primary.url,
            "--checkpoint=fast",
            "--write-recovery-conf",
            "--no-sync",
        )
        return [programs.with_name("postgres"), "-D", data, "-c", f"port={self.port}"]


class MariaDB(PrivateServer):
    """MariaDB, for PyMySQL."""

    def make(self, folder: Path) -> list[object]:
        """Likewise."""
        server = find("mariadbd", "usr/sbin", "usr/libexec")
        data, self.socket = folder / "data", folder / "socket"
        self.url = f"mysql+pymysql://root@localhost/dbmon?unix_socket={self.socket}"
        self.run(
            find("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"
        )
        return [
            server,
            "--no-defaults",
            f"--datadir={data}",
            f"--socket={self.socket}",
            f"--port={self.port}",
            f"--pid-file={folder / 'pid'}",
            "--bind-address=127.0.0.1",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-lock-wait-timeout=1",
        ]

    def connect(self) -> None:
        """Likewise."""
        if not self.socket.exists():
            # PyMySQL would leave a socket open that could not be connected.
            raise pymysql.OperationalError("not yet")
        connection = pymysql.connect(unix_socket=str(self.socket), user="root")
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE IF NOT EXISTS dbmon")
        connection.close()


@contextmanager
def private(kind: Callable[[], PrivateServer]) -> Iterator[PrivateServer]:
    """A server that lives as long as the block; where there can be none, the test ends here."""
    with ExitStack() as stack:
        try:
            own = stack.enter_context(kind())
        except UnavailableError as reason:
            give_up(reason)
        yield own
