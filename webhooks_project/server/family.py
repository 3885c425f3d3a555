"""Web and page processes that belong together: one parent started them, of one state of the code."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from select import select
from typing import Any, NoReturn, Self

from webhooks_project.server.processes import SIGNALS, listen_for_pages

WEB, PAGES = "web", "pages"
"""Kinds of processes."""

WEB_SERVES = b"w"
"""What a web process writes once it serves."""

Be = Callable[[str, "Family"], None]
"""Is the child of a kind. Returns when it is over."""


@dataclass
class Family:
    """Children by their process ids, and what they share.

    Each child holds the reading end of a pipe and ends with the last of those who hold its writing end: web processes
    that of the parent's, page processes that of the parent's and of all web processes, so that they outlive these.

    Attributes:
        pipes: Kind → reading and writing end; the latter -1 once it is let go.
        children: Process id → kind.
        ready: The pipe on which children say that they serve.
        inner: The Unix socket that page processes listen on; `folder` is where its path is.
        lifeline: In a child: the end of the pipe to read.
    """

    pipes: dict[str, list[int]]
    ready: list[int]
    inner: int
    folder: str
    children: dict[int, str] = field(default_factory=dict)
    lifeline: int = -1

    @classmethod
    def found(cls) -> Self:
        """Return a family without children."""
        folder = tempfile.mkdtemp(prefix="webhooks-")
        inner, _path = listen_for_pages(folder)
        return cls({WEB: list(os.pipe()), PAGES: list(os.pipe())}, list(os.pipe()), inner.detach(), folder)

    # --- for the parent ----------------------------------------------------------------------------------------------

    def fill(self, counts: Mapping[str, int], be: Be, is_stopping: Callable[[], bool]) -> None:
        """Start as many of each kind as are missing, until told to stop.

        A signal waits until the child is among the children, and a child until it has its own way with signals: whoever
        is told to end is.
        """
        for kind, count in counts.items():
            while not is_stopping() and list(self.children.values()).count(kind) < count:
                signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
                pid = os.fork()
                if pid == 0:
                    self._be(kind, be)
                self.children[pid] = kind
                signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def has_served(self) -> bool:
        """Tell whether a web process has said that it serves since this was asked last."""
        while select([self.ready[0]], [], [], 0)[0]:
            if WEB_SERVES in os.read(self.ready[0], 64):
                return True
        return False

    def is_ready(self, seconds: float) -> bool:
        """Wait until all children serve; False where one died before, or not all do within so many seconds."""
        deadline, missing = time.monotonic() + seconds, len(self.children)
        while missing and time.monotonic() < deadline:
            if select([self.ready[0]], [], [], 0.1)[0]:
                missing -= len(os.read(self.ready[0], missing))
            for pid in self.children:
                if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    return False
        return not missing

    def tell_web(self) -> None:
        """Tell web processes to end."""
        for pid, kind in self.children.items():
            if kind == WEB:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)

    def let_go(self, *kinds: str) -> None:
        """Close the parent's writing ends: web processes end, and the others once the last web process has gone."""
        for kind in kinds:
            if self.pipes[kind][1] >= 0:
                os.close(self.pipes[kind][1])
                self.pipes[kind][1] = -1

    def close(self) -> None:
        """Close all that this process holds of theirs."""
        self.let_go(WEB, PAGES)
        for number in (self.inner, *self.ready, self.pipes[WEB][0], self.pipes[PAGES][0]):
            os.close(number)

    def bury(self) -> None:
        """Remove what is left of them on the disk."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def packed(self) -> dict[str, Any]:
        """Return it for the program that the parent is about to become, which holds the same descriptors."""
        for number in (self.inner, *self.ready, *self.pipes[WEB], *self.pipes[PAGES]):
            if number >= 0:
                os.set_inheritable(number, True)
        return asdict(self)

    @classmethod
    def unpacked(cls, packed: dict[str, Any]) -> Self:
        """Return what `packed` gave."""
        family = cls(**packed | {"children": {int(pid): kind for pid, kind in packed["children"].items()}})
        for number in (family.inner, *family.ready, *family.pipes[WEB], *family.pipes[PAGES]):
            if number >= 0:
                os.set_inheritable(number, False)
        return family

    # --- for children ------------------------------------------------------------------------------------------------

    def socket(self) -> socket.socket:
        """Return the socket that page processes listen on."""
        return socket.socket(fileno=self.inner)

    @property
    def path(self) -> str:
        """The address of that socket."""
        return os.path.join(self.folder, "pages")

    def tell_ready(self) -> None:
        """Let the parent know that this child serves."""
        os.write(self.ready[1], WEB_SERVES if self.lifeline == self.pipes[WEB][0] else b".")

    def _be(self, kind: str, be: Be) -> NoReturn:
        code = 1
        try:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the parent's alone
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self.lifeline = self.pipes[kind][0]
            self.let_go(WEB, *([PAGES] if kind == PAGES else []))
            be(kind, self)
            code = 0
        except SystemExit as error:
            sys.stderr.write(f"{error}\n")  # what doesn't start says why, for people
        except BaseException:  # noqa: BLE001 - shown, then the process ends: none of the parent's code may run on
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(code)
