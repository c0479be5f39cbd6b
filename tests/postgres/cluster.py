"""Starts a private PostgreSQL on a free port, as a user without privileges, and removes all of it at the end."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from launching import free_port

SETTINGS = """
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
"$1/postgres" -D "$2/data" >"$2/output" 2>&1 & server=$!
read -r _
kill -INT "$server" 2>/dev/null
wait "$server"
rm -rf "$2"
"""


class Unavailable(Exception):
    """Why there is no server to test on, in words for the person who runs the tests."""


def binaries() -> Path:
    """The folder of the newest PostgreSQL on this machine.

    Raises:
        Unavailable: There is none.
    """
    folders = [Path(found).parent for found in (shutil.which("postgres"), shutil.which("initdb")) if found]
    pg_config = shutil.which("pg_config")
    if pg_config is not None:
        folders.append(Path(subprocess.check_output([pg_config, "--bindir"], text=True).strip()))
    installed = glob.glob("/usr/lib/postgresql/*/bin") + glob.glob("/usr/pgsql-*/bin")
    folders += sorted(map(Path, installed), key=lambda folder: folder.parent.name, reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise Unavailable("no PostgreSQL on this machine: tests/postgres/install.sh installs it")


def _unprivileged() -> dict[str, Any]:
    """Arguments for ``subprocess`` that make the child a user whom PostgreSQL accepts; it refuses root."""
    if os.geteuid() != 0:
        return {}
    names = {user.pw_name for user in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class Cluster:
    """A context manager around one server.

    Attributes:
        url: How to connect to it, as its superuser.
    """

    def __init__(self) -> None:
        self._binaries = binaries()
        self._port = free_port()
        self._user = _unprivileged()
        self.url = f"postgresql://dbmon@127.0.0.1:{self._port}/postgres"

    def __enter__(self) -> Cluster:
        self._folder = Path(tempfile.mkdtemp(prefix="dbmon-postgres-"))
        if self._user:
            os.chown(self._folder, self._user["user"], self._user["group"])
        try:
            self._make()
            self._keeper = subprocess.Popen(
                ["/bin/sh", "-c", KEEPER, "keeper", self._binaries, self._folder],
                stdin=subprocess.PIPE,
                cwd=self._folder,
                start_new_session=True,
                **self._user,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise Unavailable(f"PostgreSQL could not be started: {error}") from error
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
            self._keeper.wait(timeout=20)
        finally:
            self._keeper.kill()

    def _make(self) -> None:
        data = self._folder / "data"
        subprocess.run(
            [self._binaries / "initdb", "-D", data, "-U", "dbmon", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self._folder,
            **self._user,
        )
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(f"{SETTINGS}port = {self._port}\n")

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    output = (self._folder / "output").read_text()
                    raise Unavailable(f"PostgreSQL did not start: {output}") from error
                time.sleep(0.05)
            else:
                return
