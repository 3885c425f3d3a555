"""Web, worker and beat as child processes under the guard that embedded servers have: none outlives the demo."""

from __future__ import annotations

import json
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

import redis
from django.conf import settings

from deliveries.management.demo.cast import Cast
from deliveries.management.doctor.workers import live_workers
from deliveries.queueing import broker, wakeups
from webhooks_project.embedded import EmbeddedServerError, GuardedServer, free_port, is_alive

PREFERRED_PORT = 8000
ASK_TIMEOUT = 10.0
"""Seconds a page may take."""

_LAUNCH = """
import json, os, sys
with open(sys.argv[1]) as file: start = json.load(file)
os.unlink(sys.argv[1])
os.chdir(start["cwd"])
os.execve(start["command"][0], start["command"], start["environment"])
"""  # the guard gives what it runs an environment of its own; ours must not show in the list of processes


class Child(GuardedServer):
    """A process of the demo; what it writes goes to `log`. As a base it counts as ready at once (beat)."""

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str], logs: Path) -> None:
        super().__init__()
        self.name = name
        self.log = logs / f"{name}.log"
        self._arguments = list(arguments)
        self._environment = dict(environment)

    def prepare(self) -> tuple[list[str], Path]:
        """Return the command that becomes the process, and a private folder whose log is a link to ours."""
        folder = Path(tempfile.mkdtemp(prefix="webhooks-demo-"))
        self.log.write_bytes(b"")
        (folder / "server.log").symlink_to(self.log.resolve())
        start = folder / "start.json"
        start.write_text(
            json.dumps(
                {
                    "command": [sys.executable, "-m", *self._arguments],
                    "cwd": str(settings.BASE_DIR),
                    "environment": self._environment,
                }
            )
        )
        return [sys.executable, "-I", "-S", "-c", _LAUNCH, str(start)], folder

    def answers(self) -> bool:
        """Tell whether it is ready."""
        return is_alive(self.pid)

    @property
    def is_running(self) -> bool:
        """Tell whether the process lives."""
        return is_alive(self.pid)


class Web(Child):
    """The web process on loopback, on a port that was chosen before, since links in mails name it."""

    def __init__(self, environment: Mapping[str, str], logs: Path, port: int) -> None:
        super().__init__("web", [], environment, logs)
        self._preferred = port

    @property
    def url(self) -> str:
        """The web process' address."""
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> tuple[list[str], Path]:
        """Take the port, then as any child."""
        if _is_free(self._preferred):
            self.port = self._preferred
        self._preferred = 0  # should someone else take it first, the next try is another
        self._arguments = ["webhooks_project.server", "--port", str(self.port), "--grace", "3"]
        return super().prepare()

    def answers(self) -> bool:
        """Tell whether a page comes."""
        return self.ask("/health/live") == 200

    def ask(self, path: str, *, api_key: str = "") -> int:
        """Return the status that a GET of `path` is answered with; 0 when nothing answers."""
        opener = build_opener(ProxyHandler({}))  # a proxy of the environment can't reach our loopback
        if api_key:
            opener.addheaders.append(("Authorization", f"Bearer {api_key}"))
        try:
            with opener.open(self.url + path, timeout=ASK_TIMEOUT) as answer:
                return int(answer.status)
        except HTTPError as error:
            error.close()
            return error.code
        except (URLError, OSError):
            return 0


class Worker(Child):
    """A worker of every queue."""

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        queues = f"{wakeups.QUEUE},{broker.HOUSEKEEPING}"
        options = ["-P", "threads", "-c", "4", "-Q", queues, "-n", "demo@%h", "--without-gossip", "--without-mingle"]
        super().__init__("worker", ["celery", "-A", "webhooks_project", "worker", *options], environment, logs)

    def answers(self) -> bool:
        """Tell whether Redis has its heartbeat."""
        mine = f"{socket.gethostname()}:{self.pid}:"
        try:
            return any(worker.startswith(mine) for worker in live_workers())
        except (redis.RedisError, OSError):
            return False


def beat(environment: Mapping[str, str], logs: Path) -> Child:
    """Return the beat process."""
    arguments = ["celery", "-A", "webhooks_project", "beat"]
    return Child("beat", arguments, environment, logs)


def consumer(environment: Mapping[str, str], logs: Path, web: Web, cast: Cast) -> Child:
    """Return what fetches the demo's feed, as on a developer's machine, for a receiver of its own."""
    feed = cast.player("feed")
    arguments = ["merchant_webhooks.listen", "--webhook", feed.webhook.public_id, "--state", str(logs / "listen.json")]
    arguments += ["--forward-to", f"{feed.receiver.url}/webhooks/feed"]
    variables = {"MERCHANT_WEBHOOKS_API": web.url, "MERCHANT_WEBHOOKS_API_KEY": cast.api_key}
    return Child("listen", arguments, {**environment, **variables}, logs)


def start_all(children: Sequence[Child]) -> None:
    """Start side by side. Raises EmbeddedServerError with the log of the first that doesn't; the others are stopped."""
    with ThreadPoolExecutor(len(children)) as pool:
        failures = [future.exception() for future in [pool.submit(child.start) for child in children]]
    for failure in failures:
        if failure is not None:
            stop_all(children)
            raise failure


def stop_all(children: Sequence[Child]) -> None:
    """Stop side by side, each in its own time."""
    with ThreadPoolExecutor(len(children)) as pool:
        list(pool.map(lambda child: child.stop(), children))


def web_port() -> int:
    """Return the port for the web process: 8000 where that is free."""
    return PREFERRED_PORT if _is_free(PREFERRED_PORT) else free_port()


def _is_free(port: int) -> bool:
    if not port:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server will, past connections that linger
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


__all__ = ["Child", "EmbeddedServerError", "Web", "Worker", "beat", "consumer", "start_all", "stop_all", "web_port"]
