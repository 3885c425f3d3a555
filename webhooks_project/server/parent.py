"""The parent of web and page processes: starts those anew that die, and has all replaced when told to reload.

Reloading (SIGHUP) loses no connection: the parent becomes a new program under its old process id, with the listening
socket and the children that it has. It starts new children, waits until they serve, and then lets the old ones go.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from subscriptions.logs import get_logger
from webhooks_project.server.family import PAGES, WEB, Be, Family
from webhooks_project.server.processes import SIGNALS

log = get_logger(__name__)

RESTART_PAUSE: Final = 1.0
"""Seconds between two starts of processes that died, so that a fault doesn't burn the machine."""
READY_SECONDS: Final = 60.0
"""Within which new children serve, or the old ones stay."""
REASON_LENGTH: Final = 2000
"""Characters of the reason why a program doesn't start."""
HANDOVER: Final = "--handover"
"""The option by which a parent tells the program that it becomes what it has."""


class _Reload(Exception):
    """Raised by a signal's handler while the parent waits, so that it acts at once."""


class Parent:
    """Keeps children serving: `web` ones, and as many `pages` ones. They end with it, however it ends.

    Args:
        counts: How many children of each kind.
        be: See Be.
        listener: Where clients come.
        former: The children that are to be replaced, where this program follows another.
    """

    def __init__(
        self, counts: Mapping[str, int], be: Be, listener: socket.socket, former: Family | None = None
    ) -> None:
        self._counts = counts
        self._be = be
        self._listener = listener
        self._former = former
        self._family = Family.found()
        self._is_stopping = self._is_waiting = self._is_told_to_reload = False
        self._has_served = False
        self._has_terminal = os.isatty(0)  # asked now: one that was closed is none any more

    def run(self) -> int:
        """Serve until told to stop. Returns the exit code: not 0 where children died as they started."""
        logging.basicConfig(level=logging.INFO, format="%(message)s")  # the settings' own are the children's
        for number in SIGNALS:
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._note_reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # blocked where this program follows another
        self._fill()
        self._replace()
        code = 0
        while self._family.children or (self._former and self._former.children):
            try:
                pid, status = self._wait()
            except _Reload:
                self._reload()
                continue
            code = self._note_end(pid, os.waitstatus_to_exitcode(status)) or code
        self._family.bury()
        return code

    def _fill(self) -> None:
        self._family.fill(self._counts, self._be_a_child, lambda: self._is_stopping)

    def _be_a_child(self, kind: str, family: Family) -> None:
        if self._former is not None:
            self._former.close()  # the child's copies, which would keep them alive
        self._be(kind, family)

    def _note_end(self, pid: int, code: int) -> int:
        """Act on a child's end. Returns its exit code where all must end with it, else 0."""
        if self._former is not None and pid in self._former.children:
            del self._former.children[pid]
            if not self._former.children:
                self._former.close()
                self._former.bury()
                self._former = None
            return 0
        if pid not in self._family.children:
            return 0
        del self._family.children[pid]
        if self._is_stopping:
            self._family.let_go(PAGES)
            return 0
        log.error("web_process_died", pid=pid, code=code)
        self._has_served = self._has_served or self._family.has_served()
        if not self._has_served and code > 0:
            self._stop(signal.SIGTERM, None)  # it never worked: wrong settings, mostly
            self._family.let_go(PAGES)
            return code
        time.sleep(RESTART_PAUSE)
        if self._is_stopping:  # told meanwhile; perhaps no web process is left whose end would say so
            self._family.let_go(PAGES)
        self._fill()
        return 0

    def _stop(self, _number: int, _frame: object) -> None:
        self._is_stopping = True
        self._family.tell_web()
        if self._former is not None:
            self._former.let_go(WEB, PAGES)

    # --- reloading ---------------------------------------------------------------------------------------------------

    def _note_reload(self, number: int, frame: object) -> None:
        if self._has_terminal:
            self._stop(number, frame)  # which was closed
            return
        self._is_told_to_reload = True
        if self._is_waiting:
            raise _Reload

    def _wait(self) -> tuple[int, int]:
        """Wait for a child's end and return its process id and status. Raises _Reload when told to; loses no end."""
        self._is_waiting = True
        try:
            if self._is_told_to_reload:
                raise _Reload
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        finally:
            self._is_waiting = False
        return os.wait()

    def _reload(self) -> None:
        """Become the program as it is on the disk now, if that starts and nothing else is under way."""
        self._is_told_to_reload = False
        if self._is_stopping or self._former is not None:
            log.warning("reload_refused", reason="the one before is not over")
            return
        log.info("web_reloading", pid=os.getpid())
        if not self._can_start():
            return
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # and
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the new program listens to them
        if self._is_stopping:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            return
        os.set_inheritable(self._listener.fileno(), True)
        handover = json.dumps({"listener": self._listener.fileno(), "family": self._family.packed()})
        os.execv(sys.executable, [sys.executable, *_arguments(), HANDOVER, handover])

    def _can_start(self) -> bool:
        """Try in another process whether the program and its settings load; say so where they don't."""
        command = [sys.executable, *_arguments(), "--check"]
        try:
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=READY_SECONDS)
        except (subprocess.SubprocessError, OSError) as error:
            told = getattr(error, "stderr", None) or str(error).encode()
            log.error("reload_failed", reason=told.decode(errors="replace")[-REASON_LENGTH:])
            return False
        return True

    def _replace(self) -> None:
        """Let the former children go once the new ones serve; keep them where these don't, and end these."""
        if self._former is None:
            return
        self._has_served = serves = self._family.is_ready(READY_SECONDS)
        if serves or self._is_stopping:
            self._former.let_go(WEB, PAGES)
            log.info("web_reloaded" if serves else "web_stopping", pid=os.getpid())
            return
        log.error("reload_failed", reason="the new processes did not start; the former ones go on")
        self._family.let_go(WEB, PAGES)
        self._family, self._former = self._former, self._family
        self._has_served = True


def handed_over(text: str) -> tuple[socket.socket, Family]:
    """Return what the program before this one left: the listening socket, and its children."""
    handover: dict[str, Any] = json.loads(text)
    listener = socket.socket(fileno=handover["listener"])
    listener.set_inheritable(False)
    listener.setblocking(False)
    return listener, Family.unpacked(handover["family"])


def _arguments() -> list[str]:
    """Return Python's own options and the program's, as they were given at first."""
    given = sys.orig_argv[1:]
    if HANDOVER in given:
        given = given[: given.index(HANDOVER)]
    return given
