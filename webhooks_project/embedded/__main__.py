"""PostgreSQL and Valkey for development, until they are told to end: `python -m webhooks_project.embedded`.

Their data stay in `var/` of the folder they are started in. Commands that run in this folder find them, by
`embedded.database()` and `embedded.running_url("redis")` in a project's settings.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading

from webhooks_project import embedded
from webhooks_project.embedded import EmbeddedServerError, EmbeddedValkey
from webhooks_project.embedded.postgres import EmbeddedPostgres


def main() -> int:
    """Start both, say so, and wait. Returns the exit code."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with contextlib.ExitStack() as servers:
        try:
            postgres = servers.enter_context(EmbeddedPostgres(data=embedded.state_folder() / "postgres"))
            valkey = servers.enter_context(EmbeddedValkey(appendonly=True))
        except EmbeddedServerError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        embedded.announce("postgres", postgres.url)
        embedded.announce("redis", valkey.url)
        sys.stdout.write(f"PostgreSQL and Valkey run; their data are in {embedded.state_folder()}. Ctrl-C ends them.\n")
        sys.stdout.flush()
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
