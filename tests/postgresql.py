"""A real PostgreSQL server for the tests, where its programs are installed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

PASSWORD = "sentinel-Zk4vQ9"  # tests look for it in everything that a search writes


def program(name: str) -> str | None:
    """The path of one of PostgreSQL's programs; Debian keeps them out of the PATH."""
    found = [shutil.which(name), *map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}")))]
    return next((path for path in found if path), None)


class Server:
    """A server on the loopback address, with a password. It refuses to run as root; another user then runs it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lightsearch-postgresql-"))
        self.user = _other_user() if os.getuid() == 0 else None
        if self.user is not None:
            shutil.chown(self.folder, self.user)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run("initdb", "-D", self.data, "-U", "search", "-A", "scram-sha-256", f"--pwfile={password}", "-N")
        self.start()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://search:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def database(self, name: str, template: str | None = None) -> str:
        """Creates a database, empty or as a copy of ``template``, which nobody may be connected to. Returns its URL."""
        import psycopg

        with psycopg.connect(self.url().replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template or "template1"}"'.encode())
        return self.url(name)

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -c fsync=off"
        self._run("pg_ctl", "-D", self.data, "-w", "-l", self.folder / "log", "-o", options, "start")

    def kill(self) -> None:
        """Ends the server as a crash does: it cuts connections and cleans nothing up."""
        self.stop("immediate")

    def stop(self, mode: str) -> None:
        """Ends the server; with ``fast`` it tells its clients."""
        self._run("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop")

    def close(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.kill()
        shutil.rmtree(self.folder)

    def _run(self, name: str, *arguments: object) -> None:
        words = [str(program(name)), *map(str, arguments)]
        # Its output goes to a file: a server that it starts would keep a pipe open.
        with (self.folder / f"{name}.out").open("w") as output:
            done = (
                subprocess.run(
                    words, user=self.user, cwd="/", stdout=output, stderr=output, check=False, extra_groups=[]
                )
                if self.user
                else subprocess.run(words, cwd="/", stdout=output, stderr=output, check=False)
            )
        assert done.returncode == 0, (self.folder / f"{name}.out").read_text()


def _other_user() -> str:
    names = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
