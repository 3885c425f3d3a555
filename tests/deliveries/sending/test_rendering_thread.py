"""Tenants' expressions run in turn, merchant by merchant, beside the thread that claims and sends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deliveries.sending import rendering_thread, resolvers, sender
from deliveries.sending.rendering_thread import AHEAD_MAX, SLICE, RenderingThread
from tests.deliveries.sending.test_sender import Seen, _row
from tests.support.hostile import HostileServer, answers

DEAR = "{n: length(join('', data.a[*].to_string(@)))}"
FIELDS = ["n"]


@pytest.fixture
def seen() -> Seen:
    return Seen()


class Times:
    """Processor time that passes as the jobs say, and rests that are noted and not taken."""

    def __init__(self) -> None:
        self.worked = 0.0
        self.rests: list[float] = []

    def thread_time(self) -> float:
        return self.worked

    def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)

    def taking(self, seconds: float, then: Callable[[], None] = lambda: None) -> Callable[[], None]:
        def job() -> None:
            self.worked += seconds
            then()

        return job


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    made = Times()
    monkeypatch.setattr(rendering_thread, "time", made)
    return made


@pytest.mark.parametrize("merchants", [2, 3, 20])
def test_a_merchant_with_one_job_waits_for_one_turn_of_each_other(merchants: int, times: Times) -> None:
    thread, ran, gate, done = RenderingThread(), [], threading.Event(), threading.Event()
    thread.submit(0, 0, gate.wait)  # so that all that follows is there when the turns begin
    for merchant in range(1, merchants):
        for _ in range(30):
            thread.submit(merchant, merchant, times.taking(SLICE * 1.5, lambda merchant=merchant: ran.append(merchant)))
    thread.submit(merchants, merchants, lambda: (ran.append(merchants), done.set()))
    gate.set()
    assert done.wait(30)
    assert ran.index(merchants) == merchants - 1


def test_cheap_jobs_share_a_turn_and_dear_ones_end_it(times: Times) -> None:
    thread, gate, done = RenderingThread(), threading.Event(), threading.Event()
    thread.submit(1, 1, gate.wait)
    for _ in range(50):
        thread.submit(1, 1, times.taking(SLICE / 51))
    for _ in range(4):
        thread.submit(1, 1, times.taking(SLICE * 2))
    thread.submit(1, 1, done.set)
    gate.set()
    assert done.wait(30)
    assert times.rests == pytest.approx([SLICE * (2 + 50 / 51), *[SLICE * 2] * 3]), "it rests as long as it worked"


def test_of_a_merchant_of_whom_much_waits_no_more_is_claimed_and_of_others_it_is() -> None:
    thread, gate, done = RenderingThread(), threading.Event(), threading.Event()
    thread.submit(9, 90, gate.wait)
    while thread._waiting:
        time.sleep(0.001)
    for number in range(AHEAD_MAX - 1):
        thread.submit(1, 10 + number % 2, lambda: None)
    assert thread.behind([10, 11, 12, 20]) == set()
    thread.submit(1, 10, done.set)
    thread.submit(2, 20, lambda: None)
    assert thread.behind([10, 11, 12, 20, 90]) == {10, 11}, "what has nothing waiting may have had its settings changed"
    gate.set()
    assert done.wait(30)
    assert thread.behind([10, 11, 12, 20]) == set()


def test_a_job_that_fails_ends_nobody_elses_turn() -> None:
    thread, done = RenderingThread(), threading.Event()
    thread.submit(1, 1, lambda: 1 / 0)
    thread.submit(2, 2, done.set)
    assert done.wait(30)


@pytest.mark.parametrize(
    ("changes", "asks", "where"),
    [
        ({}, False, "MainThread"),
        ({"transform": DEAR}, False, "rendering"),
        ({"fields": FIELDS}, False, "rendering"),
        ({}, True, "ask"),
        ({"transform": DEAR}, True, "rendering"),
        ({"fields": FIELDS}, True, "rendering"),
    ],
    ids=str,
)
def test_what_a_merchant_wrote_runs_on_the_rendering_thread_alone(
    changes: dict[str, Any], asks: bool, where: str, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    render = sender.render

    def noting(*arguments: Any) -> Any:
        ran.append(threading.current_thread().name)
        return render(*arguments)

    monkeypatch.setattr(sender, "render", noting)
    monkeypatch.setattr(resolvers, "may_ask", lambda row: asks)
    with HostileServer(answers()) as server:
        row = _row(server.url, data='{"a":[1],"n":1}')
        seen.sender().submit([replace(row, webhook=replace(row.webhook, **changes))])
        seen.wait(lambda: seen.finished == 1)
    assert seen.sent[0].outcome.delivered
    assert len(ran) == 1
    assert ran[0].startswith(where)


def test_a_merchants_dear_deliveries_hold_up_neither_the_cheap_ones_nor_anothers_dear_ones(seen: Seen) -> None:
    """Not on a clock: by who arrived when all were handed over at once."""
    data = '{"a":[' + ",".join(["1"] * 300) + "]}"
    many = "{" + ",".join(f"k{n}: length(join('', data.a[*].to_string(@)))" for n in range(2)) + "}"
    with HostileServer(answers()) as server:
        own = [_row(server.url, data=data, webhook_id=1) for _ in range(60)]
        rows = [replace(row, webhook=replace(row.webhook, transform=many)) for row in own]
        other = _row(server.url, data=data, webhook_id=2)
        rows.append(replace(other, webhook=replace(other.webhook, merchant_id=2, transform=many)))
        rows.append(_row(server.url, webhook_id=3))
        sending = seen.sender()
        sending.submit(rows)
        seen.wait(lambda: any(sent.row.webhook.webhook_id == 3 for sent in seen.sent))
        assert sending.open > 50, "they were not all rendered before"
        seen.wait(lambda: any(sent.row.webhook.webhook_id == 2 for sent in seen.sent))
        assert sending.open > 40
        seen.wait(lambda: seen.finished == 62)
    assert all(sent.outcome.delivered for sent in seen.sent)


def test_webhooks_that_are_behind_get_no_place_and_others_do(seen: Seen) -> None:
    sending, gate = seen.sender(), threading.Event()
    for _ in range(AHEAD_MAX + 1):
        sending._rendering.submit(1, 10, gate.wait)
    assert sending.divide([10, 11]) == ([11], [10])
    assert not sending.may_take_slow([10])
    assert sending.may_take_slow([10, 11])
    gate.set()
    while sending.behind([10]):
        time.sleep(0.001)
    assert sending.divide([10, 11]) == ([10, 11], [])
