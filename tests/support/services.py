"""Run a command with servers of our own: `python -m tests.support.services [--postgres] [--valkey] -- COMMAND…`.

The command finds them in DATABASE_URL and REDIS_URL. Where a variable is set already, that server is used and none is
started. They end with the command, and with us however we end.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import subprocess
import sys
from types import FrameType

from webhooks_project import embedded
from webhooks_project.embedded import EmbeddedServerError, EmbeddedValkey
from webhooks_project.embedded.postgres import EmbeddedPostgres

TEST_ENVIRONMENT = {
    "DEBUG": "false",
    "SECRET_KEY": "only-for-tests-" + "0123456789" * 5,
    "WEBHOOKS_ENCRYPTION_KEYS": "b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtLS0=",
    "ALLOWED_HOSTS": "localhost,127.0.0.1,testserver",
    "WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
    "WEBHOOKS_REQUIRE_HTTPS": "false",
    "SECURE_SSL_REDIRECT": "false",
    "WEBHOOKS_CODE_KEY": "only-for-tests",
}
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NOT_FOUND = 127  # as the shell says it


def main(arguments: list[str]) -> int:
    """Start what is asked for and not given, run the command, return its exit code (128 + n for signal n)."""
    options = parse(arguments)
    environment = _environment(options.development)
    with contextlib.ExitStack() as servers:
        try:
            if options.postgres and not environment.get("DATABASE_URL"):
                data = embedded.state_folder() / "postgres" if options.development else None
                server = servers.enter_context(EmbeddedPostgres(data=data, fsync=options.fsync))
                environment["DATABASE_URL"] = server.url
                if options.development:
                    embedded.announce("postgres", server.url)
            if options.valkey and not environment.get("REDIS_URL"):
                environment["REDIS_URL"] = servers.enter_context(EmbeddedValkey(appendonly=options.fsync)).url
                if options.development:
                    embedded.announce("redis", environment["REDIS_URL"])
                environment["CELERY_BROKER_URL"] = ""  # which makes it the broker, too
        except EmbeddedServerError as error:
            print(f"tests.support.services: {error}", file=sys.stderr)
            return 1
        return run(options.command, environment)


def _environment(development: bool) -> dict[str, str]:
    """Return the command's variables: for development ours and those of .env, else ours over the tests' fixed ones."""
    if development:
        importlib.import_module("webhooks_project.env")  # reads .env
        environment = dict(os.environ)
        if not environment.get("DATABASE_URL"):
            environment.setdefault("DEBUG", "true")  # as everywhere that no database is named
    else:
        environment = {"DATABASE_URL": ""} | TEST_ENVIRONMENT | os.environ  # set to nothing, .env doesn't fill it
    environment.pop("DJANGO_SETTINGS_MODULE", None)  # our imports set it; each command names it for itself
    return environment


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options and the command after `--`. Exits with usage when there is no command."""
    parser = argparse.ArgumentParser(prog="tests.support.services", description=__doc__)
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL, unless DATABASE_URL is set")
    parser.add_argument("--valkey", action="store_true", help="Valkey, unless REDIS_URL is set")
    parser.add_argument("--fsync", action="store_true", help="both keep their promises on disk, as in production")
    parser.add_argument(
        "--development",
        action="store_true",
        help="leave settings alone, keep data in var/, let others find them",
    )
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="what to run, after `--`")
    return parser.parse_args(arguments)


def run(command: list[str], environment: dict[str, str]) -> int:
    """Run `command` and pass signals on to it. Returns its exit code."""
    child: subprocess.Popen[bytes] | None = None

    def forward(number: int, _: FrameType | None) -> None:
        typed = number == signal.SIGINT and sys.stdin is not None and sys.stdin.isatty()
        if child is not None and not typed:  # what is typed at the terminal reaches the child by itself
            child.send_signal(number)

    before = {number: signal.signal(number, forward) for number in FORWARDED}
    try:
        child = subprocess.Popen(command, env=environment)
        code = child.wait()
    except OSError as error:
        print(f"tests.support.services: {command[0]}: {error.strerror}", file=sys.stderr)
        return NOT_FOUND
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
