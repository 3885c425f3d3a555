"""pgbouncer of Debian's package `pgbouncer`, as a process of our own, set up as docs/ops/pgbouncer.ini says."""

from __future__ import annotations

import configparser
import os
import pwd
import shutil
import tempfile
from pathlib import Path

import psycopg
import pytest

from tests.support.processes import ROOT
from webhooks_project.embedded.guard import GuardedServer
from webhooks_project.embedded.postgres import ROLE, EmbeddedPostgres

REQUIRED = "REQUIRE_SERVERS"
"""The variable that makes a server that isn't installed a failure; .ci/run sets it."""
DOCUMENTED = ROOT / "docs/ops/pgbouncer.ini"


def _program() -> str | None:
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


class Pooler(GuardedServer):
    """Lends sessions of a PostgreSQL, each for a transaction. Skips the test where pgbouncer isn't installed.

    Args:
        postgres: Whose sessions.
        sessions: How many for each database, in place of the documented number.
    """

    def __init__(self, postgres: EmbeddedPostgres, *, sessions: int) -> None:
        super().__init__()
        self._postgres, self._sessions = postgres, sessions
        if os.geteuid() == 0:  # it doesn't run as root
            nobody = pwd.getpwnam("nobody")
            self.identity = (nobody.pw_uid, nobody.pw_gid)

    def url(self, database: str = "webhooks") -> str:
        """Return the URL of a database, one of the documented names."""
        return f"postgres://{ROLE}:{self._postgres._password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> Pooler:
        if not _program():
            if os.environ.get(REQUIRED):
                pytest.fail("pgbouncer is not installed, and has to be: Debian's package is pgbouncer")
            pytest.skip("pgbouncer is not installed; Debian's package is pgbouncer")
        super().start()
        return self

    def prepare(self) -> tuple[list[str], Path]:
        """Return the command and its folder, with the documented file, changed where it names our servers."""
        folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
        users = folder / "userlist.txt"
        users.write_text(f'"{ROLE}" "{self._postgres._password}"\n')
        config = configparser.ConfigParser(interpolation=None, delimiters=("=",))
        config.read(DOCUMENTED)
        for name, value in config["databases"].items():
            config["databases"][name] = value.replace("port=5432", f"port={self._postgres.port}")
        ours = {"listen_port": self.port, "auth_file": users, "default_pool_size": self._sessions}
        config["pgbouncer"].update({name: str(value) for name, value in ours.items()} | {"unix_socket_dir": ""})
        with (folder / "pgbouncer.ini").open("w") as file:
            config.write(file)
        for path in (folder, users, folder / "pgbouncer.ini"):
            if self.identity is not None:
                os.chown(path, *self.identity)
        return [str(_program()), str(folder / "pgbouncer.ini")], folder

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
