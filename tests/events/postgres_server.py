"""A PostgreSQL server for tests: a cluster in a folder of its own, on a free loopback port.

It runs as the user `postgres` when the tests run as root, which PostgreSQL refuses. Nothing is
awaited by time alone: a server is up when it accepts a connection, and down when its process ended.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg


def programs() -> Path | None:
    """The folder of the newest installed PostgreSQL's programs; None without one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


class PostgresServer:
    """Started by `with`; stopped by the id of its own process."""

    def __init__(self) -> None:
        home = programs()
        assert home is not None, "PostgreSQL is not installed: make setup-system"
        self._programs = home
        self._folder = Path(tempfile.mkdtemp(prefix="playhead-pg-"))
        self._as = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self._as:
            shutil.chown(self._folder, "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._databases = 0

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as, str(self._programs / program), *arguments]
        subprocess.run(
            command, check=True, cwd=self._folder, stdout=subprocess.DEVNULL, timeout=120
        )

    def start(self) -> None:
        """Start it, also after a crash; returns when it accepts connections."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self._folder}"
        data, log = str(self._folder / "data"), str(self._folder / "server.log")
        self._run("pg_ctl", "start", "-w", "-t", "100", "-D", data, "-l", log, "-o", options)

    def crash(self) -> None:
        """Stop it as a crash does: no checkpoint, connections cut."""
        self._run("pg_ctl", "stop", "-m", "immediate", "-D", str(self._folder / "data"))

    def kill(self) -> None:
        """Kill the postmaster with SIGKILL; its other processes notice and end."""
        pid = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)

    def database(self) -> str:
        """The URL of a new, empty database."""
        self._databases += 1
        name = f"log{self._databases}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def url(self, database: str) -> str:
        """The URL of a database of this server."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> Self:
        self._run("initdb", "-D", str(self._folder / "data"), "-U", "postgres", "-A", "trust", "-N")
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if (self._folder / "data" / "postmaster.pid").exists():
            self.crash()
        shutil.rmtree(self._folder, ignore_errors=True)
