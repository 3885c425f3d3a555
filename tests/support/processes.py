"""The product's own processes as children: workers, web, beat, against the servers a test names; to be killed at will.

    with worker(environment(DATABASE_URL=…, REDIS_URL=…)) as child:     # ready when the block begins
        child.kill()                                                    # as `kill -9`

They die with us (Linux's parent-death signal), and at the end of the block: asked first, killed after GRACE seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import IO, Any

from tests.support.services import TEST_ENVIRONMENT
from webhooks_project.embedded import free_port

ROOT = Path(__file__).resolve().parents[2]
GRACE = 30.0
"""Seconds a process may take to end when told to, as every process file grants them."""
START = 60.0
"""Seconds a process may take to be ready; generous, for machines that are busy."""
QUEUES = ("deliveries", "housekeeping")

# The kernel signals us when the thread that started us ends; execv keeps that preference. No preexec_fn: tests have
# threads.
_DIES_WITH_US = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); "
    "os.getppid() == int(sys.argv[1]) or os._exit(1); os.execv(sys.argv[2], sys.argv[2:])"
)


@dataclass(frozen=True)
class Checkout:
    """A state of the product: its files, which PYTHONPATH must name, too, and the Python that has what they need."""

    folder: Path
    python: str = sys.executable


OURS = Checkout(ROOT)


class Process:
    """A running child. `log` is everything it wrote."""

    def __init__(
        self,
        *command: str,
        variables: dict[str, str],
        stdin: int = subprocess.DEVNULL,
        stdout: int | None = None,
        checkout: Checkout = OURS,
    ) -> None:
        self.name = " ".join(command[:5])
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - `stop` closes it
        self.popen = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _DIES_WITH_US, str(os.getpid()), checkout.python, *command],
            env=variables,
            cwd=checkout.folder,
            stdin=stdin,
            stdout=stdout if stdout is not None else self._log,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C is for the test, which ends its children
        )

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def log(self) -> str:
        return os.pread(self._log.fileno(), 1 << 24, 0).decode(errors="replace")

    @property
    def runs(self) -> bool:
        return self.popen.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def kill(self) -> None:
        """End it at once, as `kill -9`, with the children it has, and wait for that."""
        if self.runs:
            os.killpg(self.pid, signal.SIGKILL)  # it leads a session of its own
        self.popen.wait()

    def terminate(self) -> None:
        """Tell it to end; see `wait`."""
        self.signal(signal.SIGTERM)

    def wait(self, seconds: float = GRACE) -> int:
        """Wait for its end and return its exit code. Fails with its log when it takes longer than `seconds`."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {seconds:g} s:\n{self.tail()}") from None

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.splitlines()[-lines:])

    def wait_until(self, ready: Callable[[], object], seconds: float = START) -> None:
        """Wait until `ready()`. Fails with its log when it ends before, or takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while not ready():
            assert self.runs, f"{self.name} ended with code {self.popen.returncode}:\n{self.tail()}"
            assert time.monotonic() < deadline, f"{self.name} was not ready within {seconds:g} s:\n{self.tail()}"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it if it runs: asked first, one that was halted too, and killed after GRACE seconds."""
        if self.runs:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.popen.wait(GRACE)
            except subprocess.TimeoutExpired:
                self.kill()
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream is not None:
                stream.close()
        self._log.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def environment(**variables: str) -> dict[str, str]:
    """Return a child's environment: the tests' fixed one, ours, and `variables` above all."""
    inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    defaults = {"DATABASE_URL": "", "CELERY_BROKER_URL": "", "LOG_LEVEL": "INFO", "PYTHONUNBUFFERED": "1"}
    return inherited | TEST_ENVIRONMENT | defaults | {"PYTHONPATH": str(ROOT)} | variables


_numbers = iter(range(1, 1_000_000))


def worker(
    variables: dict[str, str],
    *,
    queues: tuple[str, ...] = QUEUES,
    threads: int = 4,
    wait: bool = True,
    skew: float = 0.0,
    host: str = "",
    checkout: Checkout = OURS,
) -> Process:
    """Start a worker process as the Procfile does; ready when this returns, unless `wait` is false.

    `skew`: seconds by which the clock of its host is ahead. `host`: the namespace it runs in (tests.support.apart).
    `checkout`: the state of the product that it runs.
    """
    options = ["-P", "threads", "-c", str(threads), "-Q", ",".join(queues), "-n", f"w{os.getpid()}-{next(_numbers)}@%h"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    command = ["celery", "-A", "webhooks_project", "worker", *options, *quiet]
    place = ["-m", "tests.support.apart", host] if host else _module(skew)
    child = Process(*place, *command, variables=variables, checkout=checkout)
    return _ready(child, lambda: is_ready(child), wait=wait)


def is_ready(child: Process) -> bool:
    """Tell whether a worker takes tasks: its scheduler has started."""
    return "worker_ready" in child.log


def beat(variables: dict[str, str], *, wait: bool = True, skew: float = 0.0, checkout: Checkout = OURS) -> Process:
    """Start the housekeeping clock; ready when this returns, unless `wait` is false. The rest: as of a worker."""
    command = ["celery", "-A", "webhooks_project", "beat", "--pidfile="]
    child = Process(*_module(skew), *command, variables=variables, checkout=checkout)
    return _ready(child, lambda: beats(child), wait=wait)


def beats(child: Process) -> bool:
    """Tell whether beat has read its schedule, which it does after it has learned to end."""
    return "beat_ready" in child.log


class Web(Process):
    """The web process, answering at `port` of loopback. `pages`: page processes, as many as web ones unless given."""

    def __init__(
        self,
        variables: dict[str, str],
        skew: float = 0.0,
        processes: int = 1,
        checkout: Checkout = OURS,
        pages: int | None = None,
    ) -> None:
        self.port = free_port()
        options = ["--port", str(self.port), "--processes", str(processes), "--grace", "30"]
        if pages is not None:
            options += ["--pages", str(pages)]
        super().__init__(*_module(skew), "webhooks_project.server", *options, variables=variables, checkout=checkout)

    def answers(self) -> bool:
        """Tell whether it serves."""
        try:
            return self.request("GET", "/health/live", timeout=5).status == 200
        except OSError:
            return False

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
        *,
        timeout: float = 60,
    ) -> HTTPResponse:
        """Return its answer, read whole (`answer.content`). `body`: sent as JSON. Raises OSError."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"} | (headers or {}))
            answer = connection.getresponse()
            answer.content = answer.read()  # type: ignore[attr-defined]
            return answer
        finally:
            connection.close()


def web(
    variables: dict[str, str],
    *,
    wait: bool = True,
    skew: float = 0.0,
    processes: int = 1,
    pages: int | None = None,
) -> Web:
    """Start the web process; ready when this returns, unless `wait` is false. `skew`: as of a worker."""
    child = Web(variables, skew, processes, pages=pages)
    _ready(child, child.answers, wait=wait)
    return child


def _module(skew: float) -> list[str]:
    """Return how Python runs the module that follows, on a host whose clock is that many seconds ahead."""
    return ["-m", "tests.faults.skewed", str(skew)] if skew else ["-m"]


def _ready(child: Process, ready: Callable[[], object], *, wait: bool) -> Process:
    if wait:
        try:
            child.wait_until(ready)
        except BaseException:
            child.stop()
            raise
    return child


@contextlib.contextmanager
def halted(pid: int) -> Iterator[None]:
    """Stall a process, ours or a server of ours, with SIGSTOP for the length of a block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def wait_for(condition: Callable[[], Any], seconds: float, what: str, *, pause: float = 0.05) -> Any:
    """Wait until `condition()` is true and return it. Fails saying `what` was waited for."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds:g} s"
        time.sleep(pause)
    return value
