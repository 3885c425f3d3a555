"""The processes of a round: who runs, who takes the place of the one that goes, and how those told to end did so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from tests.faults.stage import Stage
from tests.support.processes import GRACE, Process, Web, beats, is_ready

CLAIM_GRACE = 2
WORKER = {"WEBHOOKS_CLAIM_GRACE": CLAIM_GRACE}


class Fleet:
    """Two workers, a web process and beat, each on a host whose clock `skews` sets.

    Attributes:
        clocks: By how many seconds the clock of each process was ahead, where it was wrong.
    """

    def __init__(self, stage: Stage, skews: Iterator[float]) -> None:
        self._stage = stage
        self._skews = skews
        self._told_to_end: list[Process] = []
        self._fresh: Web | None = None
        self._webs = threading.Lock()  # the client of the REST API asks for the port from a thread of its own
        self.clocks: list[float] = []
        self.workers = [self._worker() for _ in range(2)]
        self.web = self._web()
        self.beat = self._beat()

    def wait_until_ready(self) -> None:
        """Wait until all take part."""
        for child in self.workers:
            child.wait_until(lambda child=child: is_ready(child))
        self.web.wait_until(self.web.answers)
        self.beat.wait_until(lambda: beats(self.beat))

    def port(self) -> int:
        """Return where the REST API answers: the newest web process's port once it does."""
        with self._webs:
            if self._fresh is not None and self._fresh.answers():
                self.web, self._fresh = self._fresh, None
            return self.web.port

    def replace_worker(self, place: int, end: Callable[[Process], None]) -> None:
        """Take a worker out by `end`; another starts in its place."""
        child, self.workers[place] = self.workers[place], self._worker()
        end(child)

    def replace_web(self, end: Callable[[Process], None]) -> None:
        """Take the web process out; another starts."""
        with self._webs:
            child = self._fresh or self.web
            self._fresh = self._web()
        end(child)

    def replace_beat(self, end: Callable[[Process], None]) -> None:
        """Take beat out; another starts."""
        child, self.beat = self.beat, self._beat()
        end(child)

    def tell_to_end(self, child: Process) -> None:
        """Send SIGTERM; `check` asks how it ended. One that is still starting ends as any program does."""
        if child.answers() if isinstance(child, Web) else is_ready(child):
            self._told_to_end.append(child)
        child.terminate()

    def tell_beat_to_end(self, child: Process) -> None:
        """Send SIGTERM to a beat, as `tell_to_end`."""
        if beats(child):
            self._told_to_end.append(child)
        child.terminate()

    def check(self) -> None:
        """Fail unless those told to end did so in time with code 0, and the others still run."""
        for child in self._told_to_end:
            assert child.wait(GRACE) == 0, f"{child.name} ended with {child.popen.returncode}:\n{child.tail()}"
        for child in (*self.workers, self._fresh or self.web, self.beat):
            assert child.runs, f"{child.name} ended by itself:\n{child.tail()}"

    def _worker(self) -> Process:
        return self._stage.worker(wait=False, skew=self._skew(), **WORKER)

    def _web(self) -> Web:
        return self._stage.web(wait=False, skew=self._skew())

    def _beat(self) -> Process:
        return self._stage.beat(wait=False, skew=self._skew())

    def _skew(self) -> float:
        skew = next(self._skews)
        self.clocks += [skew] if skew else []
        return skew
