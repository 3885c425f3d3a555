"""A server process that never outlives us.

Between us and a server stands a guard: this file run as a script, one small process a server. It ends the server and
removes its folder when we stop it and when we die of whatever cause: it reads a pipe that closes with us and watches
who its parent is; the server in turn is signalled by the kernel (Linux's PR_SET_PDEATHSIG) should the guard be killed.
That signal is tied to the thread that forked, which is why the single-threaded guard forks, not we.

Imports nothing but the standard library: the guard runs this file alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

START_TIMEOUT = 30.0  # seconds for a server to answer; generous, for machines that are busy
STOP_TIMEOUT = 10.0  # seconds for a server to end by itself before it is killed
GUARD_TICK = 0.1  # seconds between the guard's looks at its parent
PR_SET_PDEATHSIG = 1


class EmbeddedServerError(RuntimeError):
    """A server of our own did not start, or went away; the message ends with the tail of its log."""


class GuardedServer:
    """A server process under a guard that ends it and removes its folder when we stop it or die: a context manager.

    What is guarded says how to `prepare` it, what its `url` is, and when it `answers`.
    """

    stop_signal = signal.SIGTERM  # the server's word for "end at once, tidily"
    identity: tuple[int, int] | None = None  # the user and group id it runs as; None for ours

    def __init__(self, *, port: int = 0) -> None:
        self.pid = 0  # the server's process id; 0 before start and after stop
        self.port = 0
        self._wanted_port = port  # 0: any that is free
        self._guard: subprocess.Popen[str] | None = None
        self._log = Path()

    def prepare(self) -> tuple[list[str], Path]:
        """Return the command that serves `self.port` on loopback, and a new folder (absolute; `stop` removes it)."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether this very server (not one that took its port) answers."""
        raise NotImplementedError

    def start(self) -> Self:
        """Start the server and wait until it answers. Raises EmbeddedServerError with its log when it does not."""
        for remaining in (2, 1, 0):
            self.port = self._wanted_port or free_port()  # someone may take it before the server does; then another
            try:
                self._launch(*self.prepare())
                break
            except EmbeddedServerError:
                self.stop()
                if not remaining:
                    raise
        return self

    def _launch(self, command: list[str], folder: Path) -> None:
        self._log = folder / "server.log"
        spec = {"command": command, "folder": str(folder), "log": str(self._log), "parent": os.getpid()}
        spec |= {"stop": int(self.stop_signal), "identity": self.identity}
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, json.dumps(spec)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C in our terminal is for us; we stop servers in our own order
        )
        self._wait(self._guard)

    def _wait(self, guard: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        self.pid = int(guard.stdout.readline() or 0) if guard.stdout else 0
        while not (self.pid and self.answers()):
            if not is_alive(self.pid):
                raise self._failure("did not start")
            if time.monotonic() > deadline:
                raise self._failure(f"did not answer on port {self.port} within {START_TIMEOUT:g} s")
            time.sleep(0.01)

    def _failure(self, what: str) -> EmbeddedServerError:
        tail = self._log.read_text(errors="replace").splitlines()[-15:] if self._log.exists() else ["(no log)"]
        return EmbeddedServerError("\n".join([f"{type(self).__name__} {what}:", *tail]))

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Signal the server and wait for its end, at most `STOP_TIMEOUT`, then kill it. `resume` starts it again."""
        deadline = time.monotonic() + STOP_TIMEOUT
        while is_alive(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, how)
            while is_alive(self.pid) and time.monotonic() < deadline:
                time.sleep(0.01)
            how = signal.SIGKILL

    def resume(self) -> None:
        """Start the server again on its port after `end` or a crash, and wait until it answers."""
        if self._guard is None or self._guard.stdin is None:
            raise EmbeddedServerError(f"{type(self).__name__} is not started, or stopped: use start()")
        self._guard.stdin.write("start\n")
        self._guard.stdin.flush()
        self._wait(self._guard)

    def stop(self) -> None:
        """End the server and remove its folder. Harmless when it is gone already."""
        guard, self._guard, self.pid = self._guard, None, 0
        if guard is not None:
            with guard:  # closes the pipe, which is the guard's word to stop, and waits for it
                pass

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def free_port() -> int:
    """Return a loopback TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_alive(pid: int) -> bool:
    """Whether a process of that id exists, a dead one not yet reaped by its parent included."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return pid > 0


# --- the guard: what follows runs in its process ------------------------------------------------------------------


def _guard(spec: dict[str, Any]) -> None:
    """Run the server; on "start" run it again; end it and remove its folder at the end of stdin or of the parent."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    server = _run(spec)
    try:
        print(server.pid, flush=True)  # noqa: T201 - the answer to our parent
        while os.getppid() == spec["parent"]:
            server.poll()  # reaps it, which is how the parent sees its end
            if not select.select([0], [], [], GUARD_TICK)[0]:
                continue
            if not os.read(0, 64):
                break
            server.wait()
            server = _run(spec)
            print(server.pid, flush=True)  # noqa: T201
    finally:
        _end(server, spec["stop"])
        shutil.rmtree(spec["folder"], ignore_errors=True)


def _run(spec: dict[str, Any]) -> subprocess.Popen[bytes]:
    guard, stop = os.getpid(), spec["stop"]

    def die_with_the_guard() -> None:  # runs after the change of user, which would clear it
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, stop)
        if os.getppid() != guard:
            os._exit(1)

    user, group = spec["identity"] or (None, None)
    with open(spec["log"], "ab") as log:
        return subprocess.Popen(
            spec["command"],
            cwd=spec["folder"],
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=user,
            group=group,
            extra_groups=[] if user is not None else None,
            preexec_fn=die_with_the_guard,  # noqa: PLW1509 - the guard has one thread
        )


def _end(server: subprocess.Popen[bytes], stop: int) -> None:
    server.send_signal(stop)
    server.send_signal(signal.SIGCONT)  # one that was halted could not obey
    try:
        server.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


if __name__ == "__main__":
    _guard(json.loads(sys.argv[1]))
