"""Two at once, with real threads and connections: each interleaving that a race needs is made, not waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction


class Beside:
    """Work in a thread with a connection of its own; `join` returns what it returned, or raises what it raised."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._value: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._work()
        except BaseException as error:  # noqa: BLE001 - raised again where the test waits
            self._error = error
        finally:
            connections.close_all()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def waits(self) -> bool:
        self._thread.join(0.3)
        return self._thread.is_alive()

    def join(self) -> Any:
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self._error is not None:
            raise self._error
        return self._value


@contextmanager
def uncommitted(work: Callable[[], Any]) -> Iterator[None]:
    """Do `work` in another connection's transaction, which is open for the block and commits at its end."""
    done, go = threading.Event(), threading.Event()

    def run() -> None:
        with transaction.atomic():
            work()
            done.set()
            assert go.wait(60)

    beside = Beside(run)
    try:
        assert done.wait(60)
        yield
    finally:
        go.set()
        beside.join()
