"""Whether events can be stored: one look at the database at a time, which nobody waits for longer than WITHIN seconds.

A database that hangs answers nothing and refuses nothing. The look has a thread and an engine session of its own, the
kind of session that stores events; while one hangs, whoever asks is told at once.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Final

from django.db import DatabaseError, InterfaceError

from deliveries.db.engine_session import fetch
from subscriptions.logs import get_logger

log = get_logger(__name__)

WITHIN: Final = 1.0
"""Seconds for an answer; together with Redis' deadline they stay under 2 s, which is what probes wait at most."""

_READ_ONLY: Final = "SELECT current_setting('transaction_read_only') = 'on' AS is_read_only"


@dataclass(slots=True)
class _Look:
    """One look: when it began (monotonic seconds), and what was seen once `done`."""

    began: float
    done: threading.Event = field(default_factory=threading.Event)
    seen: str = "unreachable"


class Readiness:
    """Looks at the database for probes. Safe to be asked by many threads at once: they share a look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._look: _Look | None = None
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None

    def database(self) -> str:
        """Return `ok`, `read-only`, or `unreachable`: no connection, an error, or no answer within WITHIN seconds."""
        with self._lock:
            look = self._look
            if self._thread is None or not self._thread.is_alive():  # a forked process has none
                look = None
                self._thread = threading.Thread(target=self._work, name="readiness", daemon=True)
                self._thread.start()
            if look is None:
                look = self._look = _Look(time.monotonic())
                self._wanted.set()
        look.done.wait(max(0.0, look.began + WITHIN - time.monotonic()))
        return look.seen

    def _work(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            look = self._look
            assert look is not None
            try:
                [row] = fetch(_READ_ONLY, {})
                look.seen = "read-only" if row.is_read_only else "ok"
            except (DatabaseError, InterfaceError, OSError):
                pass
            except Exception:
                log.exception("readiness_look_failed")
            except BaseException:
                with self._lock:
                    self._thread = None  # before `_look`: whoever asks next, while this thread ends, starts another
                raise
            finally:
                with self._lock:
                    self._look = None
                look.done.set()


readiness = Readiness()
