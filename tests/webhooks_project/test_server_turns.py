"""Who comes next at the threads that make pages: the clients have turns, and nobody has all of the threads."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.processes import wait_for
from webhooks_project.server import threads as module
from webhooks_project.server.threads import Threads
from webhooks_project.server.turns import Turns, has_share


class Jobs:
    """Jobs that run until the test lets them end, and who has run so far."""

    def __init__(self, threads: Threads) -> None:
        self.threads = threads
        self.running: list[str] = []
        self.begun: list[str] = []
        self._lock = threading.Lock()
        self._ends: dict[str, threading.Semaphore] = {}

    def ask(self, *clients: str) -> None:
        for client in clients:
            self._ends.setdefault(client, threading.Semaphore(0))
            self.threads.run(lambda client=client: self._run(client), client)  # type: ignore[misc]

    def end(self, client: str, count: int = 1) -> None:
        self._ends[client].release(count)

    def expect(self, **running: int) -> None:
        wait_for(lambda: Counter(self.running) == Counter(running), 5, f"{running}, not {self.running}")

    def _run(self, client: str) -> None:
        with self._lock:
            self.running.append(client)
            self.begun.append(client)
        self._ends[client].acquire(timeout=20)
        with self._lock:
            self.running.remove(client)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    monkeypatch.setattr(module, "SLOW_SECONDS", 60.0)
    made = Jobs(Threads("test", 4))
    yield made
    for client in made._ends:
        made.end(client, 100)
    made.threads.stop(5)


def test_one_client_has_half_of_the_threads_and_others_have_the_rest(jobs: Jobs) -> None:
    jobs.ask(*"a" * 30)
    jobs.expect(a=2)
    jobs.ask("b", "b")
    jobs.expect(a=2, b=1)
    jobs.ask("c")
    jobs.expect(a=2, b=1, c=1)
    assert (jobs.threads.backlog, jobs.threads.backlog_of("a")) == (29, 28)


def test_the_thirty_of_one_stand_behind_the_one_of_another(jobs: Jobs) -> None:
    jobs.ask(*"abcd")  # all four threads
    jobs.expect(a=1, b=1, c=1, d=1)
    jobs.ask(*"a" * 30, "e")
    for client in "bcd":
        jobs.end(client)
    wait_for(lambda: "e" in jobs.begun, 5, "the turn of e")
    jobs.expect(a=1, e=1)
    assert jobs.begun.count("a") == 1, "two threads are left for whoever comes"


def test_what_has_taken_long_leaves_half_of_the_threads_to_what_has_not(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.0)
    jobs.ask(*"abc")
    jobs.expect(a=1, b=1, c=1)
    for client in "abc":
        jobs.end(client)
    wait_for(lambda: not jobs.threads._shares._running, 5, "their ends")
    monkeypatch.setattr(module, "SLOW_SECONDS", 60.0)
    jobs.ask(*"aaabbbccc")
    wait_for(lambda: len(jobs.running) == 2, 5, "two")
    jobs.ask("d", "e")
    wait_for(lambda: {"d", "e"} <= set(jobs.running), 5, "those that are not slow")
    assert sorted(Counter(jobs.running).values()) == [1, 1, 1, 1], "and of each slow one, one"
    assert len(set(jobs.running) & set("abc")) == 2


def test_what_takes_long_at_this_moment_is_slow_already(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.ask("a")
    jobs.expect(a=1)
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.0)
    jobs.ask("a")
    wait_for(lambda: jobs.threads.backlog == 1, 5, "a line")
    jobs.expect(a=1)


def test_who_is_quick_again_is_slow_no_more(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.0)
    jobs.ask("a")
    jobs.end("a")
    wait_for(lambda: jobs.begun == ["a"] and not jobs.running and not jobs.threads._shares._running, 5, "its end")
    monkeypatch.setattr(module, "SLOW_SECONDS", 60.0)
    jobs.ask("a", "a", "a")
    jobs.expect(a=1)
    jobs.end("a")
    jobs.expect(a=2)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_threads_serve_everybody_in_the_end(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.0)
    threads, done = Threads("test", count), Counter[str]()
    for client in "aaaaabbbbbccccc":
        threads.run(lambda client=client: done.update(client), client)  # type: ignore[misc]
    threads.stop(10)
    assert done == Counter(a=5, b=5, c=5)


def test_a_client_takes_no_more_than_it_leaves() -> None:
    own, free = 0, 256
    while has_share(own, free):
        own, free = own + 1, free - 1
    assert (own, free) == (128, 128)
    assert has_share(0, 1)
    assert not has_share(0, 0)


def test_turns_go_round() -> None:
    turns: Turns[str] = Turns()
    for client in "aaab", "cc":
        for place, each in enumerate(client):
            turns.add(each, f"{each}{place}")
    taken = [turns.take(lambda client: client != "b" or len(turns) < 3) for _ in range(6)]
    assert taken == ["a0", "c0", "a1", "c1", "b3", "a2"]
    assert turns.take(lambda _: True) is None


def test_the_longest_line_gives_up_its_last() -> None:
    turns: Turns[str] = Turns()
    for place in range(3):
        turns.add("a", f"a{place}")
    assert [turns.give_up_for("b") for _ in range(2)] == ["a2", "a1"]
    assert turns.give_up_for("b") is None, "it would be no longer than the other's"
    assert len(turns) == 1
