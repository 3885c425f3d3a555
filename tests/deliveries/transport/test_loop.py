"""The loop's end: whoever rings at that moment hits no descriptor of somebody else's."""

from __future__ import annotations

import gc
import os
import weakref

import pytest

from deliveries.transport import loop as loops
from deliveries.transport.loop import Loop

ring = os.eventfd_write


def started() -> Loop:
    made = Loop(ended=lambda *_: None, flooded=lambda _: None, round_over=lambda: None)
    made.closing = lambda: None
    made.start()
    return made


def test_a_bell_that_is_rung_after_the_threads_end_is_still_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another caller's bell ends the thread between our look whether it sleeps and our ring."""
    loop = started()

    def late(descriptor: int, value: int) -> None:
        ring(descriptor, value)
        loop._thread.join(5)
        assert not loop._thread.is_alive()
        ring(descriptor, value)

    while not loop._asleep:
        pass
    monkeypatch.setattr(loops.os, "eventfd_write", late)
    loop.stop()
    assert os.readlink(f"/proc/self/fd/{loop._bell}").startswith("anon_inode:[eventfd]")


def test_the_bell_is_closed_with_the_loop() -> None:
    loop = started()
    loop.stop()
    loop._thread.join(5)
    bell, gone = loop._bell, weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(bell)
