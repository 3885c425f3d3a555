"""Whose names are looked up next: owners take turns, and silent name servers of one leave threads to the others."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from deliveries.transport.resolver import Resolver
from tests.deliveries.transport.conftest import LOOPBACK


def found(port: int):
    """Return what the system's resolver says of a name that leads here."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


class Names:
    """A resolver's lookup: names that begin with `silent` hang until `release`; counts how many do so at once."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.hanging: list[str] = []

    def __call__(self, host: str, port: int):
        if host.startswith("silent"):
            self.hanging.append(host)
            self.release.wait(20)
        return found(port)

    def settled(self) -> list[str]:
        """Return what hangs once no more begin to."""
        before = -1
        while before != len(self.hanging):
            before = len(self.hanging)
            time.sleep(0.1)
        return self.hanging


@pytest.fixture
def names() -> Iterator[Names]:
    names = Names()
    yield names
    names.release.set()


def quick(resolver: Resolver, owner: object, host: str = "quick.example") -> float:
    """Return the seconds that a name takes whose name server answers at once."""
    began = time.monotonic()
    resolver.resolve(host, 80, LOOPBACK, 5.0, owner)
    return time.monotonic() - began


@pytest.mark.parametrize("threads", [4, 8, 64])
@pytest.mark.parametrize("new", [True, False], ids=["ever new names", "the same names"])
def test_silent_names_of_one_owner_leave_threads_to_others(names: Names, threads: int, new: bool):
    resolver = Resolver(names, threads)
    for turn in range(2):
        pendings = [resolver.begin(f"silent{turn * new}-{n}.example", 80, "mallory") for n in range(200)]
        assert len(names.settled()) <= threads // 4 + max(1, threads // 16)
        for owner in ("alice", "bob", None):
            assert quick(resolver, owner) < 1.0
        for pending in pendings:
            resolver.give_up(pending, 0.1)


def test_an_owner_with_many_silent_names_has_few_threads_for_new_ones(names: Names):
    resolver = Resolver(names, threads=64)
    for n in range(5):
        resolver.give_up(started(resolver, f"silent{n}.example", "mallory"), 0.1)
    before = len(names.settled())
    for n in range(5, 200):
        resolver.begin(f"silent{n}.example", 80, "mallory")
        resolver.begin(f"silent-{n}.example", 80, "bob")
    begun = names.settled()[before:]
    assert sum(host.startswith("silent-") for host in begun) == 16
    assert len(begun) == 16  # five of two are held already
    assert quick(resolver, "alice") < 1.0


def test_a_silent_name_of_an_owner_does_not_hold_up_its_others(names: Names):
    resolver = Resolver(names, threads=8)
    resolver.give_up(started(resolver, "silent.example", "alice"), 0.1)
    resolver.begin("silent.example", 80, "alice")
    for n in range(20):
        assert quick(resolver, "alice", f"quick{n}.example") < 1.0


def test_a_name_that_waits_in_one_owners_share_is_looked_up_in_anothers(names: Names):
    resolver = Resolver(names, threads=8)
    for n in range(10):
        resolver.begin(f"silent{n}.example", 80, "mallory")
    resolver.begin("quick.example", 80, "mallory")
    names.settled()
    assert quick(resolver, "alice") < 1.0


def test_owners_take_turns(names: Names):
    """One with a thousand names in the queue costs another one name's time, not a thousand."""
    asked: list[str] = []
    gate = threading.Event()

    def lookup(host: str, port: int):
        gate.wait(20)
        asked.append(host)
        return found(port)

    resolver = Resolver(lookup, threads=1)
    pendings = [resolver.begin(f"m{n}.example", 80, "mallory") for n in range(1000)]
    pendings += [resolver.begin(f"a{n}.example", 80, "alice") for n in range(3)]
    gate.set()
    for pending in pendings:
        pending.future.result(10)
    assert max(asked.index(f"a{n}.example") for n in range(3)) <= 7


def test_several_names_at_once_are_looked_up_at_once_by_threads_that_rested(names: Names):
    resolver = Resolver(names, threads=8)
    assert quick(resolver, None) < 1.0
    time.sleep(0.05)  # its thread rests
    for n in range(8):
        resolver.begin(f"silent{n}.example", 80)
    assert len(names.settled()) == 8


def started(resolver: Resolver, host: str, owner: object):
    """Begin a lookup, and return it once a thread is at it."""
    pending = resolver.begin(host, 80, owner)
    while not pending.started:
        time.sleep(0.005)
    return pending
